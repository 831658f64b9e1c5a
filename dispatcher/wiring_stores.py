"""Puts together where jobs, results and images are kept, as ``--queue`` says."""

from typing import Final

from dispatcher.blobs.directory import DirectoryBlobStore
from dispatcher.blobs.local import LocalBlobStore
from dispatcher.delivery.outbox import Outbox
from dispatcher.execution.collector import Collector
from dispatcher.queues.memory import MemoryJobQueue
from dispatcher.queues.sqlite import SqliteJobQueue
from dispatcher.results.memory import MemoryResultStore
from dispatcher.results.sqlite import SqliteResultStore
from dispatcher.settings import Settings
from dispatcher.storage.space import Space
from dispatcher.storage.writer import Writer
from dispatcher.stores import Elsewhere, Stores

_BLOBS_FOLDER: Final = "blobs"
_PASSING_BLOBS_FOLDER: Final = "passing-blobs"
"""Emptied at each start; of the memory queue alone, so that trying it costs nobody a job."""


def build_stores(settings: Settings, outbox: Outbox, elsewhere: Elsewhere) -> Stores:
    """Build stores; nothing is started and no file is touched.

    Raises:
        StartupError: a setting cannot be.
    """
    if settings.queue == "rabbitmq":
        # Loaded only now: the clients of three servers take memory that one machine need not pay.
        from dispatcher.wiring_shared import build_shared_stores  # noqa: PLC0415

        return build_shared_stores(settings, outbox, elsewhere)
    return (_durable_stores if settings.queue == "sqlite" else _memory_stores)(settings, outbox)


def _memory_stores(settings: Settings, outbox: Outbox) -> Stores:
    """Return stores that end with the process."""
    blobs = DirectoryBlobStore(settings.data_dir / _PASSING_BLOBS_FOLDER)
    collector = Collector(blobs=blobs)
    results = MemoryResultStore(
        retention_s=settings.result_retention_s,
        retention_count=settings.result_retention_count,
        key_retention_s=settings.idempotency_retention_s,
        on_dropped=collector.collect,
        on_due=outbox.add,
    )
    queue = MemoryJobQueue(capacity=settings.queue_capacity)
    return Stores(queue, results, blobs, collector, writer=None)


def _durable_stores(settings: Settings, outbox: Outbox) -> Stores:
    """Return stores that outlive the process; they share one database."""
    writer = Writer(settings.data_dir, beside=settings.data_dir / _BLOBS_FOLDER)
    space = Space(
        settings.data_dir,
        limit_bytes=settings.storage_limit_bytes,
        reserve_percent=settings.storage_reserve_percent,
        used_bytes=lambda: writer.size_bytes() + blobs.disk_bytes(),
    )
    blobs = LocalBlobStore(settings.data_dir / _BLOBS_FOLDER, writer=writer, space=space)
    collector = Collector(blobs=blobs)
    results = SqliteResultStore(
        writer,
        retention_s=settings.result_retention_s,
        retention_count=settings.result_retention_count,
        key_retention_s=settings.idempotency_retention_s,
        on_dropped=collector.collect,
        on_due=outbox.add,
    )
    queue = SqliteJobQueue(writer, capacity=settings.queue_capacity)
    return Stores(queue, results, blobs, collector, writer)
