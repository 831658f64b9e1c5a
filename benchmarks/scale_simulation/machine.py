"""A simulated machine: cores that several threads share, and a disk with a group commit."""

import random
from collections.abc import Generator, Sequence
from typing import Final, TypeAlias

import simpy

FIRST: Final = 0
"""Dispatcher and client: on the real machine the replicas let them go first (niceness)."""
LAST: Final = 1
"""Replicas that compute."""
_NOTHING_S: Final = 1e-9

Steps: TypeAlias = Generator[simpy.Event, object, None]
"""What a simulated process waits for."""


class Cores:
    """Cores that serve the urgent first; who is put aside goes on where it was."""

    def __init__(self, env: simpy.Environment, count: int) -> None:
        self._env = env
        self._cores = simpy.PreemptiveResource(env, capacity=count)
        self.busy_s = 0.0
        """Processor time used so far, of all cores."""

    def compute(self, cpu_s: float, *, priority: int) -> Steps:
        """Use processor time, in seconds, on any core."""
        while cpu_s > _NOTHING_S:
            with self._cores.request(priority=priority) as core:
                yield core
                began = self._env.now
                try:
                    yield self._env.timeout(cpu_s)
                    used_s = cpu_s
                except simpy.Interrupt:
                    used_s = self._env.now - began
            self.busy_s += used_s
            cpu_s -= used_s


class EventLoop:
    """A thread that does one thing after the other."""

    def __init__(self, env: simpy.Environment, cores: Cores) -> None:
        self._turn = simpy.Resource(env, capacity=1)
        self._cores = cores

    def visit(self, cpu_s: float) -> Steps:
        """Have something done, in the order of asking; what takes no time takes no turn."""
        if cpu_s <= _NOTHING_S:
            return
        with self._turn.request() as turn:
            yield turn
            yield from self._cores.compute(cpu_s, priority=FIRST)


class GroupCommit:
    """What is asked for while a commit is under way shares the next one (storage/writer)."""

    def __init__(
        self, env: simpy.Environment, commits_s: Sequence[float], *, dice: random.Random
    ) -> None:
        """Prepare a disk.

        Args:
            env: the simulated world.
            commits_s: measured durations, one of which each commit takes; empty for none.
            dice: draws them.
        """
        self._env = env
        self._commits_s = commits_s
        self._dice = dice
        self._pending: list[simpy.Event] = []
        self._is_busy = False
        self.count = 0
        """Commits so far."""

    def submit(self) -> simpy.Event:
        """Return what happens once everything asked for so far is safe."""
        done = self._env.event()
        self._pending.append(done)
        if not self._is_busy:
            self._is_busy = True
            self._env.process(self._commit_all())
        return done

    def _commit_all(self) -> Steps:
        yield self._env.timeout(0)  # what is asked for at the same moment is committed together
        while self._pending:
            group, self._pending = self._pending, []
            self.count += 1
            if self._commits_s:
                yield self._env.timeout(self._dice.choice(self._commits_s))
            for done in group:
                done.succeed()
        self._is_busy = False
