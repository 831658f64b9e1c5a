"""What the engine asks of whoever is sent images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from load_tester.images import Upload


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """What an accepted upload was given: the name under which its result is asked for."""

    request_id: str
    from_cache: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The result of one image; durations in seconds, None where not told."""

    seen_s: float
    """When it was there and parsed, on the run's clock (`pacing.now_s`)."""
    polls: int
    """How often it was asked for."""
    from_cache: bool = False
    coalesced: bool = False
    queue_time_s: float | None = None
    processing_time_s: float | None = None
    steps_s: Mapping[str, float] = field(default_factory=dict)
    """How long each step took, by the step's id."""
    replica: str | None = None
    top_label: str | None = None
    document: Mapping[str, Any] | None = None
    """The JSON object that it was read from, for checks; None where it was a picture."""
    picture: bytes | None = None
    """The picture, where it came with the answer."""


class Endpoint(Protocol):
    """One service that is sent images.

    It never retries and has no deadline of its own: the engine cancels it. What it raises is an
    ImageError (RefusedError, FailedError, BrokenError, WrongError), and nothing else.
    """

    @property
    def name(self) -> str:
        """How its records call it: its URL."""

    async def send(self, upload: Upload) -> Ticket | Answer:
        """Send one image; return a ticket, or the answer itself where it comes at once.

        The first byte leaves before this first waits for anything, unless a connection has to be
        opened, whose first packet leaves then.
        """

    async def await_answer(self, ticket: Ticket, upload: Upload) -> Answer:
        """Return the answer for a ticket as soon as it is there."""

    async def check(self, answer: Answer, upload: Upload) -> None:
        """Return when the answer is the right one, as far as that was asked to be checked.

        This may take its time, for the answer has been seen; raises WrongError.
        """


class Target(Protocol):
    """Whom one run sends to: an endpoint, which is a target by itself, or several in turns."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the endpoints."""

    @property
    def uploads(self) -> int:
        """Sends begun so far, whatever became of them."""

    async def check_reachable(self) -> None:
        """Return when anything answers; raises UnreachableError with the cause."""

    def choose(self, index: int) -> Endpoint:
        """Return the endpoint for the image with this number."""
