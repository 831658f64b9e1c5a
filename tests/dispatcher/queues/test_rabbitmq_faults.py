"""What becomes of jobs when the broker dies, stands still or takes nothing: none is lost."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, closing
from typing import Any

import psutil
import pytest

from dispatcher.errors import QueueUnavailableError
from dispatcher.jobs import Priority
from dispatcher.queues import upkeep
from dispatcher.queues.declarations import queue_name
from dispatcher.queues.rabbitmq import RabbitmqJobQueue
from tests.dispatcher.queues.settled import LANES, OpenQueue, held_by, shared_queue
from tests.dispatcher.queues.taking import jobs, take
from tests.dispatcher.waiting import now_s, until
from tests.servers.processes import Guard
from tests.servers.proxy import TcpProxy
from tests.servers.rabbitmq import NameServer, RabbitmqServer

pytestmark = pytest.mark.timeout(120)

WITHIN_S = 30.0
REFUSED_WITHIN_S = 5.0
_runs = itertools.count()
CONNECTIONS = 6
"""Of two dispatchers, each of which publishes, consumes and manages."""


@pytest.fixture(scope="module")
def broker(
    guard: Guard, rabbitmq: RabbitmqServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RabbitmqServer]:
    """A broker that these tests interrupt; each leaves it running."""
    folder = tmp_path_factory.mktemp("interrupted")
    with closing(NameServer(guard, folder / "names")) as names:
        names.start()
        with closing(RabbitmqServer(guard, folder / "node", names=names)) as server:
            server.start()
            yield server


@pytest.fixture
def vhost(broker: RabbitmqServer) -> Iterator[str]:
    name = broker.new_vhost()
    yield name
    broker.delete_vhost(name)


@pytest.fixture
def proxy(broker: RabbitmqServer) -> Iterator[TcpProxy]:
    with TcpProxy(broker.port) as proxy:
        yield proxy


@pytest.fixture
async def open_queue(
    broker: RabbitmqServer, vhost: str, redis_url: str
) -> AsyncIterator[OpenQueue]:
    """Dispatchers of that broker, or of what stands before it."""
    async with AsyncExitStack() as stack:

        async def open_one_more(*, port: int | None = None, **settings: Any) -> RabbitmqJobQueue:
            url = broker.url(vhost, port=port)
            return await stack.enter_async_context(shared_queue(url, redis_url, **settings))

        yield open_one_more


class Load:
    """Puts and ends jobs without a pause, and remembers which were accepted and ended."""

    def __init__(self, api: RabbitmqJobQueue, worker: RabbitmqJobQueue) -> None:
        self._run = next(_runs)
        self.accepted: list[str] = []
        self.ended: set[str] = set()
        self.ended_before = 0
        self.refusals_s: list[float] = []
        """How long each refusal took."""
        self._tasks = [
            *(asyncio.create_task(self._put(api, number)) for number in range(4)),
            asyncio.create_task(self._work(worker)),
        ]

    def missing(self) -> set[str]:
        """The jobs that were accepted and have not ended."""
        return set(self.accepted) - self.ended

    def goes_on(self, *, accepted: int, ended: int) -> bool:
        """Say whether more than so many were accepted and ended; raises why somebody gave up."""
        for task in self._tasks:
            if task.done():
                task.result()
        return len(self.accepted) > accepted and len(self.ended) > ended

    def is_over(self) -> bool:
        """Say whether anybody stopped working by an error."""
        return self._tasks[-1].done()

    async def stop(self) -> None:
        """Accept no more."""
        for task in self._tasks[:-1]:
            task.cancel()
        await asyncio.gather(*self._tasks[:-1], return_exceptions=True)

    async def close(self) -> None:
        await self.stop()
        self._tasks[-1].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _put(self, queue: RabbitmqJobQueue, number: int) -> None:
        for count in itertools.count():
            name, began = f"{self._run}-{number}-{count}", now_s()
            try:
                await queue.put(jobs(name), is_admitted=True)
                self.accepted.append(name)
            except QueueUnavailableError:
                self.refusals_s.append(now_s() - began)
            await asyncio.sleep(0.01)

    async def _work(self, queue: RabbitmqJobQueue) -> None:
        while True:
            lease = await queue.reserve(LANES)
            if lease is None:
                await queue.wait_for_more()
                continue
            await asyncio.sleep(0)
            self.ended.add(lease.job_id)
            await queue.ack(lease)


@pytest.fixture
async def under_load() -> AsyncIterator[Callable[[RabbitmqJobQueue, RabbitmqJobQueue], Load]]:
    loads: list[Load] = []

    def begin(api: RabbitmqJobQueue, worker: RabbitmqJobQueue) -> Load:
        loads.append(Load(api, worker))
        return loads[-1]

    yield begin
    for load in loads:
        await load.close()


Begin = Callable[[RabbitmqJobQueue, RabbitmqJobQueue], Load]


async def survives(load: Load, api: RabbitmqJobQueue) -> None:
    """Jobs are accepted and ended again; all that were ever accepted are ended at last."""
    enough = {"accepted": len(load.accepted) + 20, "ended": len(load.ended) + 20}
    await until(lambda: load.goes_on(**enough), within_s=WITHIN_S)
    await load.stop()
    await until(lambda: load.is_over() or load.missing() == set(), within_s=WITHIN_S)
    assert load.missing() == set()
    await until(lambda: api.unready() is None, within_s=WITHIN_S)
    assert max(load.refusals_s, default=0.0) < REFUSED_WITHIN_S


def sockets(port: int) -> int:
    """How many connections this process has to a port, those included that are coming to an end."""
    found = psutil.Process().net_connections("tcp")
    return sum(bool(one.raddr) and one.raddr.port == port for one in found)


async def test_no_job_is_lost_when_the_broker_is_started_anew(
    broker: RabbitmqServer, open_queue: OpenQueue, under_load: Begin
) -> None:
    api, worker = await open_queue(room=0), await open_queue(room=8)
    tasks = len(asyncio.all_tasks())
    # Killed second: RabbitMQ 3.10 may forget the leader of a queue that it has just made.
    for end in (broker.stop, broker.kill):
        await interrupt(broker, end, load=under_load(api, worker), api=api)
    await until(lambda: worker._upkeep.consumers(LANES[0]) == 1, within_s=WITHIN_S)
    await until(lambda: len(asyncio.all_tasks()) <= tasks + 5, within_s=WITHIN_S)
    await until(lambda: sockets(broker.port) == CONNECTIONS, within_s=WITHIN_S)


async def interrupt(
    broker: RabbitmqServer, end: Callable[[], None], *, load: Load, api: RabbitmqJobQueue
) -> None:
    await until(lambda: len(load.ended) > 20, within_s=WITHIN_S)
    await asyncio.to_thread(end)
    await until(lambda: load.refusals_s and api.unready() is not None, within_s=WITHIN_S)
    await asyncio.to_thread(broker.start)
    await survives(load, api)
    await load.close()


async def test_a_queue_that_does_nothing_holds_up_no_other_and_is_given_up(
    broker: RabbitmqServer,
    vhost: str,
    open_queue: OpenQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upkeep, "_SILENT_FOR_S", 5.0)
    losses: list[None] = []
    api = await open_queue(room=0)
    await api.put(jobs("lost with its queue"))
    process = f"{vhost}_{queue_name(LANES[0], Priority.NORMAL)}"
    await asyncio.to_thread(broker.ctl, "eval", f"sys:suspend('{process}').")
    worker = await open_queue(room=0, on_lost=lambda: losses.append(None))
    worker.offer(dict.fromkeys(LANES, 8))
    await worker.put(jobs("other", lane=LANES[1]))
    await until(lambda: held_by(worker) == ["other"], within_s=WITHIN_S)
    assert not losses
    await until(lambda: losses, within_s=2 * WITHIN_S)
    await until(lambda: held_by(worker) == ["other"], within_s=WITHIN_S)


async def test_a_broker_that_stands_still_holds_up_nobody(
    broker: RabbitmqServer, open_queue: OpenQueue, under_load: Begin
) -> None:
    api, worker = await open_queue(room=0), await open_queue(room=8)
    load = under_load(api, worker)
    await until(lambda: len(load.ended) > 20, within_s=WITHIN_S)
    broker.pause()
    try:
        await until(lambda: load.refusals_s and api.unready() is not None, within_s=WITHIN_S)
    finally:
        broker.resume()
    await survives(load, api)


async def test_a_network_that_swallows_everything_holds_up_nobody(
    proxy: TcpProxy, open_queue: OpenQueue, under_load: Begin
) -> None:
    queues = [await open_queue(room=room, port=proxy.port) for room in (0, 8)]
    load = under_load(*queues)
    await until(lambda: len(load.ended) > 20, within_s=WITHIN_S)
    await asyncio.to_thread(proxy.drop)
    await until(lambda: load.refusals_s and queues[0].unready() is not None, within_s=WITHIN_S)
    await asyncio.to_thread(proxy.heal)
    await survives(load, queues[0])
    await until(lambda: sockets(proxy.port) == CONNECTIONS, within_s=WITHIN_S)


@pytest.mark.parametrize("fault", ["cut", "half_close"])
async def test_connections_that_end_are_opened_again(
    proxy: TcpProxy, open_queue: OpenQueue, under_load: Begin, fault: str
) -> None:
    queues = [await open_queue(room=room, port=proxy.port) for room in (0, 8)]
    load = under_load(*queues)
    for _ in range(3):
        load.ended_before = len(load.ended)
        await until(lambda: len(load.ended) > load.ended_before + 20, within_s=WITHIN_S)
        await asyncio.to_thread(getattr(proxy, fault))
    await survives(load, queues[0])


async def test_a_broker_short_of_memory_refuses_jobs_while_others_are_ended(
    broker: RabbitmqServer, open_queue: OpenQueue
) -> None:
    api, worker = await open_queue(room=0), await open_queue(room=8)
    names = [f"job-{number}" for number in range(8)]
    await api.put(jobs(*names))
    await until(lambda: held_by(worker) == names)
    await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", "0.000001")
    try:
        began = now_s()
        with pytest.raises(QueueUnavailableError):
            await api.put(jobs("refused"))
        assert now_s() - began < REFUSED_WITHIN_S
        await until(lambda: "memory" in (api.unready() or ""), within_s=WITHIN_S)
        began = now_s()
        with pytest.raises(QueueUnavailableError):
            await api.put(jobs("refused at once"))
        assert now_s() - began < 1.0
        for _ in names:
            assert await worker.ack(await take(worker))
        await until(lambda: worker.is_idle(LANES[0]), within_s=WITHIN_S)
    finally:
        await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", "0.6")
    await until(lambda: api.unready() is None, within_s=WITHIN_S)
    await api.put(jobs("accepted"))
    await until(lambda: "accepted" in held_by(worker), within_s=WITHIN_S)


async def test_a_job_whose_connection_is_lost_is_not_begun_elsewhere_while_it_is_worked_on(
    proxy: TcpProxy, open_queue: OpenQueue
) -> None:
    owner = await open_queue(room=1, port=proxy.port)
    await owner.put(jobs("long", "next"))
    await until(lambda: "long" in held_by(owner))
    lease = await take(owner)
    other = await open_queue(room=4)
    await asyncio.to_thread(proxy.refuse)
    await until(lambda: sorted(held_by(other)) == ["long", "next"], within_s=WITHIN_S)
    assert (await take(other)).job_id == "next"
    assert await other.reserve(LANES) is None, "its owner goes on renewing it"
    assert await owner.ack(lease)
    await asyncio.to_thread(proxy.heal)
    await until(lambda: owner.unready() is None, within_s=WITHIN_S)


async def test_a_job_comes_back_to_its_owner_with_a_new_message(
    proxy: TcpProxy, open_queue: OpenQueue
) -> None:
    owner = await open_queue(room=4, port=proxy.port)
    await owner.put(jobs("a"))
    await until(lambda: held_by(owner) == ["a"])
    lease = await take(owner)
    await asyncio.to_thread(proxy.cut)
    holding = owner._holdings.find("a")
    assert holding is not None
    await until(lambda: holding.message is None, within_s=WITHIN_S)
    await until(lambda: holding.message is not None, within_s=WITHIN_S)
    assert await owner.reserve(LANES) is None, "it is being worked on"
    assert await owner.ack(lease)
    other = await open_queue(room=4)
    await other.put(jobs("b"))
    await until(lambda: held_by(other) + held_by(owner) == ["b"], within_s=WITHIN_S)


async def test_a_job_that_takes_longer_than_the_broker_allows_is_done_once(
    broker: RabbitmqServer, open_queue: OpenQueue
) -> None:
    for name, value in (("consumer_timeout", 1000), ("channel_tick_interval", 500)):
        await asyncio.to_thread(
            broker.ctl, "eval", f"application:set_env(rabbit, {name}, {value})."
        )
    try:
        owner = await open_queue(room=4)
        await owner.put(jobs("long"))
        await until(lambda: held_by(owner) == ["long"])
        lease = await take(owner)
        holding = owner._holdings.find("long")
        assert holding is not None
        for _ in range(2):
            await until(lambda: holding.message is None, within_s=WITHIN_S)
            await until(lambda: holding.message is not None, within_s=WITHIN_S)
        assert await owner.reserve(LANES) is None, "it is being worked on"
        assert await owner.ack(lease)
    finally:
        await set_timeouts(broker, consumer_ms=1_800_000, tick_ms=60_000)


async def set_timeouts(broker: RabbitmqServer, *, consumer_ms: int, tick_ms: int) -> None:
    """Have channels closed on which a message is not acknowledged for so long."""
    for name, value in (("consumer_timeout", consumer_ms), ("channel_tick_interval", tick_ms)):
        setting = f"application:set_env(rabbit, {name}, {value})."
        await asyncio.to_thread(broker.ctl, "eval", setting)
