"""What the mock service knows of each upload, as it tells it afterwards."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What was done to an upload on purpose; each has exactly one."""

    NONE = "none"  # accepted, and its result is right
    ERROR = "error"  # the upload is answered with a 500
    WRONG_LABEL = "wrong_label"  # the result names another label than the right one
    LOST = "lost"  # accepted, but its result is a 404
    TWICE = "twice"  # answered with the ticket of an earlier upload


@dataclass(frozen=True, kw_only=True, slots=True)
class TrueJob:
    """One upload; times are in seconds on the machine's monotonic clock."""

    request_id: str
    """The ticket that it was answered with; empty when it got none."""
    file: str
    fault: Fault
    size_bytes: int
    began_s: float
    """When the first byte of its head was read."""
    arrived_s: float
    """When its last byte was read."""
    done_s: float | None
    """When its work was done; None when that never happened."""
    looks: int
    """How often its result was asked for."""
    crc32: int | None = None
    """Of the body, when bodies are checked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """All uploads in the order of their arrival."""

    jobs: tuple[TrueJob, ...]
    frozen_s: float | None = None
    """When the service froze of its own accord, on the same clock."""
    thawed_s: float | None = None

    def faults(self) -> Counter[Fault]:
        """Return how many uploads met with each fault."""
        return Counter(job.fault for job in self.jobs)
