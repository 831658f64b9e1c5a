"""What clients did and what they saw: the history that the checker judges."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ACCEPTED = (200, 202)
_AWAY = frozenset({"queue_unavailable", "results_unavailable", "storage_unavailable"})
"""Codes of refusals that a server was asked for: what was begun may not have been undone."""


@dataclass(frozen=True, slots=True)
class Order:
    """An image that somebody wants to have worked on, and how."""

    number: int
    image_seed: int
    size_bytes: int
    pipeline: str
    params: Mapping[str, Any]
    """Overrides of the step's params."""
    key: str | None = None
    """The Idempotency-Key that each try bears."""
    webhook_url: str | None = None

    @property
    def work(self) -> str:
        """What two orders have in common that may be worked on as one."""
        params = json.dumps(dict(self.params), sort_keys=True)
        return f"{self.image_seed} {self.size_bytes} {self.pipeline} {params}"


@dataclass(frozen=True, slots=True)
class Try:
    """One POST and what came back."""

    order: Order
    sent_at: float
    """Unix seconds."""
    answered_at: float
    status: int | None
    """None when the connection broke: nobody knows whether the job was accepted."""
    job_id: str | None = None
    was_refused: bool = False
    """Whether there was no connection at all: then nothing was sent."""
    code: str = ""
    """Of the refusal, if it was one."""
    retry_after_s: float = 0.0
    """After how many seconds to come back, when that was said."""
    failure: str = ""
    """What broke when there was no answer."""

    @property
    def is_accepted(self) -> bool:
        """Whether the service promised to keep the job."""
        return self.status in ACCEPTED


@dataclass(frozen=True, slots=True)
class Sight:
    """What one GET told of a job."""

    job_id: str
    at: float
    """Unix seconds."""
    status: int
    document: Mapping[str, Any]
    picture: str | None = None
    """SHA-256 of the picture that the job made, when it was fetched."""


@dataclass
class ClientLog:
    """Everything that the clients know."""

    tries: list[Try] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)
    """In the order in which they were seen; those of the same job too."""
    broken_polls: int = 0
    """GETs that were sent and had no answer."""

    def accepted(self) -> dict[str, Order]:
        """Return the order behind every job that was accepted, by job id."""
        return {t.job_id: t.order for t in self.tries if t.is_accepted and t.job_id is not None}

    def unclear(self) -> int:
        """Return how many tries were sent, in part at least, and never answered."""
        return sum(one.status is None and not one.was_refused for one in self.tries)

    def half_refused(self) -> int:
        """Return how many tries were refused because a server was away or too slow.

        Their jobs may be done all the same: several servers cannot undo what they do not hear of.
        """
        return sum(one.status == 503 and one.code in _AWAY for one in self.tries)

    def has_accepted_after(self, moment: float) -> bool:
        """Say whether a job has been accepted after a moment, Unix seconds."""
        return any(t.is_accepted and t.sent_at > moment for t in self.tries[-1000:])

    def first_accepted_after(self, moment: float) -> float | None:
        """Return when the first job was accepted after a moment, Unix seconds."""
        times = (t.answered_at for t in self.tries if t.is_accepted and t.sent_at > moment)
        return min(times, default=None)
