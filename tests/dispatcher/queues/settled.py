"""A shared queue that is as prompt as one of this process: for the promises that all keep.

What was put in is delivered a moment later; the promises of the contract are about afterwards.
"""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

from dispatcher.jobs import Job
from dispatcher.queues.backlog import Backlog
from dispatcher.queues.rabbitmq import RabbitmqJobQueue
from dispatcher.servers.broker import Broker
from dispatcher.servers.redis_connection import RedisConnection
from tests.dispatcher.waiting import until

ROOM = 1000
LANES = ("default", "other")


class SettledQueue(RabbitmqJobQueue):
    """Has room in all lanes, and returns from ``put`` once it has what it put in."""

    async def put(self, jobs: Sequence[Job], *, is_admitted: bool = False) -> int:
        self.offer(dict.fromkeys({*self._demand.lanes(), *(j.pipeline_id for j in jobs)}, ROOM))
        depth = await super().put(jobs, is_admitted=is_admitted)
        await until(lambda: all(self._holdings.find(job.id) for job in jobs))
        return depth


class OpenQueue(Protocol):
    """Opens the queue of one more dispatcher, with these settings of ``shared_queue``."""

    def __call__(self, **settings: Any) -> Awaitable[RabbitmqJobQueue]: ...


def held_by(queue: RabbitmqJobQueue) -> list[str]:
    """The jobs in the hands of a dispatcher, in the order in which they came."""
    return [one.job.id for one in queue._holdings.all()]


@asynccontextmanager
async def shared_queue(
    rabbitmq_url: str,
    redis_url: str,
    *,
    kind: type[RabbitmqJobQueue] = RabbitmqJobQueue,
    room: int = ROOM,
    lanes: Sequence[str] = LANES,
    **settings: Any,
) -> AsyncIterator[RabbitmqJobQueue]:
    """One dispatcher's queue, which consumes these lanes already when it has room."""
    broker, redis = Broker(rabbitmq_url), RedisConnection(redis_url)
    async with AsyncExitStack() as stack:
        for server in (redis, broker):
            await server.start()
            stack.push_async_callback(server.close)
        queue = kind(broker, Backlog(redis), **{"capacity": 1000, **settings})
        await queue.start()
        stack.push_async_callback(queue.close)
        await until(lambda: queue.unready() is None)
        if room:
            queue.offer(dict.fromkeys(lanes, room))
            await until(lambda: all(queue._upkeep.consumers(lane) for lane in lanes))
        yield queue
