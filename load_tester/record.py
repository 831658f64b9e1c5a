"""What is known of one image once it has ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """How one scheduled image ended; each has exactly one."""

    OK = "ok"  # a well-formed, right result was seen in time
    REFUSED = "refused"  # the service said 429 or 503 to the upload; not retried
    FAILED = "failed"  # sent, but the service or the connection gave no result
    TIMED_OUT = "timed_out"  # no result within the timeout
    WRONG = "wrong"  # an answer that breaks the contract, or is not the right one
    ABANDONED = "abandoned"  # sent, and still under way when the run was interrupted
    NOT_SENT = "not_sent"  # never sent; the reason says why


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRecord:
    """One image from its intended send to its end.

    Times are seconds since the run began, on one monotonic clock; None where it never came so
    far. Durations ending in `_time_s` are the service's own, as its answer reports them.
    """

    index: int
    second: int
    file: str
    outcome: Outcome
    reason: str | None
    sched_s: float
    sent_s: float | None = None
    accepted_s: float | None = None
    seen_s: float | None = None
    target: str = ""
    """The name of the endpoint that it went to."""
    attempt: int = 1
    """Which try this was; later than the first only where retries were asked for."""
    held_s: float = 0.0
    """How much of its lateness it spent waiting for a free worker, as `--max-workers` bids."""
    request_id: str | None = None
    polls: int = 0
    from_cache: bool = False
    coalesced: bool = False
    queue_time_s: float | None = None
    processing_time_s: float | None = None
    steps_s: Mapping[str, float] = field(default_factory=dict)
    """How long each step took, by the step's id, as the service reports it."""
    replica: str | None = None
    top_label: str | None = None

    @property
    def lateness_s(self) -> float | None:
        """How long after its intended moment it was sent, in seconds."""
        return None if self.sent_s is None else self.sent_s - self.sched_s

    @property
    def submit_s(self) -> float | None:
        """From the send to the ticket, in seconds."""
        if self.sent_s is None or self.accepted_s is None:
            return None
        return self.accepted_s - self.sent_s

    @property
    def end_to_end_s(self) -> float | None:
        """From the intended send to the result, in seconds: what a user would have waited."""
        return None if self.seen_s is None else self.seen_s - self.sched_s

    @property
    def from_send_s(self) -> float | None:
        """From the actual send to the result, in seconds: blind to the sender's own lateness."""
        if self.sent_s is None or self.seen_s is None:
            return None
        return self.seen_s - self.sent_s
