"""What dispatchers promise each other about the chunks of a picture.

::

    carrier ──offer──▶ offers ──take──▶ any dispatcher with room ──keep──▶ shelf ──find──▶ carrier
                          ▲                                │
                          └── news: wanted, kept, unwanted ┘

The three are apart because each may fail alone: without offers or news the carrier of a job
computes all of its chunks itself, without a shelf nothing of them outlives it.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from dispatcher.jobs import JobError
from step_app.contract.trace_context import TraceContext

FOLDER: Final = "tiles"
"""Where everything of all jobs is kept."""
SCHEMA: Final = 1
"""Of requests and outcomes: another version's are left alone."""


class ChunkRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One chunk of what one stage makes of one picture, as it is offered to all dispatchers."""

    job_id: str
    filename: str
    pipeline_id: str
    step_id: str
    """Names, with the pipeline, the pool that computes it."""
    params: Mapping[str, Any]
    """Of the request to the replica."""
    work: str
    """What the stage does: type, params and revision, as one text."""
    output: str
    """Media type of the chunk."""
    index: int
    count: int
    digest: str
    """SHA-256 of the picture that the stage is given."""
    is_sent: bool
    """Whether that is the image as it was sent, which is in the blob store; else it is kept on the
    shelf."""
    weight_bytes: int
    """About how many bytes of pixels the picture becomes at a replica."""
    label: str = ""
    """What the stage does, for people."""
    trace: TraceContext | None = None
    """What caused it."""
    schema: int = SCHEMA

    @property
    def step(self) -> str:
        """Name the pool that computes it."""
        return f"{self.pipeline_id}/{self.step_id}"

    @property
    def path(self) -> str:
        """Name what comes of it; requests for the same chunk of the same job have the same."""
        what = [self.step, self.work, self.output, self.index, self.count, self.digest]
        text = json.dumps(what, separators=(",", ":"))
        return f"{folder_of(self.job_id)}/{hashlib.sha256(text.encode()).hexdigest()}"


class ChunkOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a chunk: a picture, or why there is none and will be none."""

    dispatcher: str
    """Name of the one that had it computed."""
    replica: str = ""
    """URL of the replica, as that dispatcher knows it."""
    attempts: int
    duration_s: float = 0.0
    revision: str = ""
    reply: bytes = b""
    """The replica's pictures as a frame of the contract; empty when it failed."""
    error: JobError | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A chunk that this process has taken and not settled."""

    request: ChunkRequest
    token: object
    """What the backend knows it by."""


class ChunkOffers(Protocol):
    """Chunks that wait for a dispatcher with room.

    An offer is handed to one dispatcher at a time and offered again when that one dies before it
    has settled it. Offers that nobody takes within a minute or so are dropped.
    """

    async def offer(self, requests: Sequence[ChunkRequest]) -> None:
        """Add chunks of one step.

        Raises:
            QueueUnavailableError: it cannot be told which of them were added; within seconds.
        """
        ...

    async def take(self, step: str) -> Offer | None:
        """Return the oldest offer of a step; None when there is none.

        Raises:
            QueueUnavailableError: likewise.
        """
        ...

    async def settle(self, offer: Offer) -> None:
        """Take an offer off the board for good; does nothing when it is void."""
        ...

    async def give_back(self, offer: Offer) -> None:
        """Offer it to others again; does nothing when it is void."""
        ...


class ChunkShelf(Protocol):
    """What came of chunks, by path, and pictures between two stages of a job.

    The first outcome of a chunk stays: a later one of the same chunk is dropped. All methods may
    raise ``StorageUnavailableError``, within seconds.
    """

    async def keep(self, path: str, outcome: ChunkOutcome) -> None:
        """Keep an outcome, if there is none yet."""
        ...

    async def find(self, path: str) -> ChunkOutcome | None:
        """Return an outcome; None when there is none, or none that can be read."""
        ...

    async def has(self, path: str) -> bool:
        """Say whether there is an outcome."""
        ...

    async def finished(self, job_id: str) -> set[str]:
        """Return the paths of all outcomes of a job."""
        ...

    async def put_picture(self, job_id: str, digest: str, picture: bytes) -> None:
        """Keep a picture between two stages, under its SHA-256."""
        ...

    async def get_picture(self, job_id: str, digest: str) -> bytes | None:
        """Return such a picture; None when it is not there, or not as it was kept."""
        ...

    async def remove(self, paths: Collection[str]) -> None:
        """Remove outcomes and pictures, those that are there."""
        ...

    async def tidy(self) -> None:
        """Remove what was forgotten; called now and then."""
        ...


class ChunkNews(Protocol):
    """Who could help, who is at work, and what has just happened; any of it may be missed.

    All methods but ``listen`` may raise ``ResultsUnavailableError``, within a second.
    """

    def listen(self, hear: "Hearing") -> None:
        """Have others' news, and one's own, handed over from now on."""
        ...

    async def call(self, step: str) -> None:
        """Tell everybody that chunks of a step wait."""
        ...

    async def tell_kept(self, path: str) -> None:
        """Tell everybody that the outcome of a chunk is on the shelf."""
        ...

    async def dismiss(self, job_id: str) -> None:
        """Tell everybody that nobody wants the chunks of a job any more."""
        ...

    async def beat(
        self, ready: Mapping[str, Collection[str]], in_work: Collection[str], *, for_s: float
    ) -> None:
        """Say what this dispatcher has for the next seconds.

        Args:
            ready: names of its ready replicas by step; the same name is the same replica.
            in_work: paths of the chunks that it computes.
            for_s: how long to believe it.
        """
        ...

    async def replicas(self, step: str) -> set[str]:
        """Return the names of the replicas of a step that any dispatcher has ready."""
        ...

    async def in_work(self, paths: Sequence[str]) -> set[str]:
        """Return those chunks that any dispatcher computes."""
        ...


@dataclass(frozen=True, slots=True)
class Hearing:
    """What is called, on the event loop, with each piece of news."""

    on_wanted: Callable[[str], None]
    """With a step of which chunks wait."""
    on_kept: Callable[[str], None]
    """With the path of an outcome that is on the shelf."""
    on_unwanted: Callable[[str], None]
    """With the id of a job whose chunks nobody wants any more."""


@dataclass(frozen=True, slots=True)
class ChunkBoard:
    """All three, of one backend."""

    offers: ChunkOffers
    shelf: ChunkShelf
    news: ChunkNews


def folder_of(job_id: str) -> str:
    """Return where everything of a job is kept."""
    return f"{FOLDER}/{job_id}"


def picture_path(job_id: str, digest: str) -> str:
    """Return where a picture between two stages is kept."""
    return f"{folder_of(job_id)}/picture-{digest}"
