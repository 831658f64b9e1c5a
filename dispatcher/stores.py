"""What ``--queue`` decides about: the three rooms that keep things, and what belongs to them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dispatcher.blobs.base import BlobStore
from dispatcher.chunks.base import ChunkBoard
from dispatcher.execution.collector import Collector
from dispatcher.intake.restocking import SharedJobs
from dispatcher.queues.base import JobQueue
from dispatcher.results.base import ResultStore
from dispatcher.servers.base import Server
from dispatcher.storage.writer import Writer


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Who is told what other dispatchers do."""

    on_stop: Callable[[str], None]
    """Called with each job that nobody wants any more, wherever it is in work."""
    on_ended: Callable[[str], None]
    """Called with each job that has ended, wherever."""
    on_lost: Callable[[], None]
    """Called when jobs may have lost their place in the queue, as this dispatcher noticed."""
    on_hurry: Callable[[], None]
    """Called when any of them noticed that."""
    on_return: Callable[[], None]
    """Called when ends may have been missed, of which others told."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where jobs, results and images are kept."""

    queue: JobQueue
    results: ResultStore
    blobs: BlobStore
    collector: Collector
    writer: Writer | None = None
    """What the durable ones of one machine write with."""
    servers: Sequence[Server] = ()
    """What they speak with: started before them, closed after them."""
    shared: SharedJobs | None = None
    """What is known of all dispatchers' jobs; None when there is one dispatcher."""
    chunks: ChunkBoard | None = None
    """Where they share the chunks of large pictures; None when they do not."""
