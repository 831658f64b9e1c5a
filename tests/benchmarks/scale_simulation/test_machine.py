"""Cores are shared as they are on the real machine."""

import simpy

from benchmarks.scale_simulation.machine import FIRST, LAST, Cores, EventLoop, Steps


def test_the_urgent_goes_first_and_the_other_goes_on_where_it_was() -> None:
    env = simpy.Environment()
    cores = Cores(env, 1)
    ended: dict[str, float] = {}

    def work(name: str, at_s: float, cpu_s: float, priority: int) -> Steps:
        yield env.timeout(at_s)
        yield from cores.compute(cpu_s, priority=priority)
        ended[name] = env.now

    env.process(work("replica", 0.0, 10.0, LAST))
    env.process(work("dispatcher", 4.0, 1.0, FIRST))
    env.run()
    assert ended == {"dispatcher": 5.0, "replica": 11.0}
    assert cores.busy_s == 11.0


def test_what_one_thread_does_takes_turns_however_many_cores_there_are() -> None:
    env = simpy.Environment()
    loop = EventLoop(env, Cores(env, 8))
    for _ in range(3):
        env.process(loop.visit(2.0))
    env.run()
    assert env.now == 6.0
