"""Puts together the stores that several dispatchers share: RabbitMQ, Redis and an object store."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from typing import Final

from dispatcher.blobs.objects import ObjectBlobStore
from dispatcher.chunks.base import ChunkBoard
from dispatcher.chunks.objects import ObjectChunkShelf
from dispatcher.chunks.rabbitmq import RabbitmqChunkOffers
from dispatcher.chunks.redis import RedisChunkNews
from dispatcher.delivery.outbox import Outbox
from dispatcher.errors import ResultsUnavailableError
from dispatcher.execution.collector import Collector
from dispatcher.jobs import Job
from dispatcher.queues.backlog import Backlog
from dispatcher.queues.rabbitmq import RabbitmqJobQueue
from dispatcher.results.redis import RedisResultStore
from dispatcher.servers.broker import Broker
from dispatcher.servers.fitness import Fitness
from dispatcher.servers.objects import ObjectStore
from dispatcher.servers.redis_connection import RedisConnection
from dispatcher.servers.same_store import SameStore
from dispatcher.settings import Settings
from dispatcher.stores import Elsewhere, Stores

_log = logging.getLogger(__name__)

_LOST: Final = "conveyor.lost"
"""The channel on which is told that a queue was lost."""
_LONGEST_WAIT_S: Final = 7 * 24 * 3600.0
"""Images are kept for so long after they were sent, or last used: as long as a deadline may be."""
_TIDY_LEAD_S: Final = 900.0
"""Longer than the pause between two looks, so that the same dispatcher does them."""


def build_shared_stores(settings: Settings, outbox: Outbox, elsewhere: Elsewhere) -> Stores:
    """Build stores over three servers; nothing is started.

    Raises:
        StartupError: a URL cannot be.
    """
    assert settings.rabbitmq_url and settings.redis_url and settings.blob_url, "checked before"
    broker = Broker(settings.rabbitmq_url.get_secret_value())
    redis = RedisConnection(settings.redis_url.get_secret_value())
    objects = ObjectStore(settings.blob_url.get_secret_value())
    same_store = SameStore(objects, redis)
    backlog = Backlog(redis)
    blobs = ObjectBlobStore(
        objects,
        retention_s=_LONGEST_WAIT_S + settings.result_retention_s,
        may_tidy=lambda: backlog.try_lead("images", for_s=_TIDY_LEAD_S),
    )
    results = RedisResultStore(
        redis,
        objects,
        retention_s=settings.result_retention_s,
        retention_count=settings.result_retention_count,
        key_retention_s=settings.idempotency_retention_s,
        cache_size=settings.cache_size,
        on_ended=elsewhere.on_ended,
        on_due=outbox.add,
        try_lead=backlog.try_lead,
        in_hand=backlog.known,
    )
    queue = RabbitmqJobQueue(
        broker,
        backlog,
        capacity=settings.queue_capacity,
        prefetch_count=settings.prefetch_count,
        on_stop=elsewhere.on_stop,
        on_lost=_Losses(redis, elsewhere).note,
        may_work=Fitness(objects, same_store).may_work,
    )
    redis.on_return(elsewhere.on_return)
    return Stores(
        queue,
        results,
        blobs,
        Collector(blobs=blobs),
        servers=(broker, redis, objects, same_store),
        shared=_SharedJobs(results, backlog),
        chunks=_chunk_board(broker, redis, objects, backlog) if settings.share_tiles else None,
    )


def _chunk_board(
    broker: Broker, redis: RedisConnection, objects: ObjectStore, backlog: Backlog
) -> ChunkBoard:
    return ChunkBoard(
        RabbitmqChunkOffers(broker),
        ObjectChunkShelf(objects, may_tidy=lambda: backlog.try_lead("chunks", for_s=_TIDY_LEAD_S)),
        RedisChunkNews(redis),
    )


class _Losses:
    """Tells all dispatchers when one notices a loss: another one may be who has to mend it."""

    def __init__(self, redis: RedisConnection, elsewhere: Elsewhere) -> None:
        self._redis = redis
        self._on_lost = elsewhere.on_lost
        self._telling: set[asyncio.Task[None]] = set()
        redis.subscribe(_LOST, lambda _: elsewhere.on_hurry())

    def note(self) -> None:
        """Take note that jobs may have lost their place; called on the event loop."""
        self._on_lost()
        telling = asyncio.create_task(self._tell())
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    async def _tell(self) -> None:
        try:
            await self._redis.publish(_LOST, b"")
        except ResultsUnavailableError:
            _log.debug("others find out by looking now and then that a queue was lost")


class _SharedJobs:
    """What is known of the jobs of all dispatchers, here and there."""

    def __init__(self, results: RedisResultStore, backlog: Backlog) -> None:
        self._results = results
        self._backlog = backlog

    async def try_lead(self, duty: str, *, for_s: float) -> bool:
        """Return whether this dispatcher is the one that does a duty for the next seconds."""
        return await self._backlog.try_lead(duty, for_s=for_s)

    def open_ids(self, *, older_than_s: float) -> AsyncIterator[str]:
        """Yield the ids of the jobs that were accepted so long ago and are recorded as open."""
        return self._results.open_ids(older_than_s=older_than_s)

    async def open_job(self, job_id: str) -> Job | None:
        """Return one of them; None when it has ended after all."""
        return await self._results.open_job(job_id)

    async def known(self, job_ids: Collection[str]) -> set[str]:
        """Return those that wait, are linked, or are in work."""
        return await self._backlog.known(job_ids)
