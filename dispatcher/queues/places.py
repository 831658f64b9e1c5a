"""What the backlog tells of jobs: where one stands, what is to be done with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dispatcher.jobs import Job


class Standing(StrEnum):
    """What its dispatcher has to do with a job that was added."""

    PUBLISH = "publish"  # it has a place of its own, and needs a message
    KNOWN = "known"  # it is in work, or linked to a job whose message is safe: it is accepted
    UNSETTLED = "unsettled"  # it is linked to a job that is being published: ask again


@dataclass(frozen=True, slots=True)
class Added:
    """What became of jobs that were added."""

    standings: tuple[Standing, ...]
    """In the order of the jobs."""
    depth: int
    """How many jobs wait now, in all lanes."""


class Taking(StrEnum):
    """What became of the wish to work on a job."""

    BEGUN = "begun"  # it is the asker's for as long as its lease lasts
    BUSY = "busy"  # somebody else works on it
    LINKED = "linked"  # it is the same work as a job that is in work, and ends with that one
    WITHDRAWN = "withdrawn"  # nobody wants it any more


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to the wish to work on a job."""

    outcome: Taking
    beginnings: int = 0
    """How often it was begun and not given back, this time included."""
    busy_s: float = 0.0
    """When nothing is heard of who works on it, it is free after so many seconds."""


@dataclass(frozen=True, slots=True)
class Held:
    """A job that a dispatcher has at hand."""

    job: Job
    is_in_work: bool
    """False while it waits here for a replica."""


class Place(StrEnum):
    """Where a job was that nobody wants any more."""

    WAITING = "waiting"  # or linked: it is gone now
    WORKING = "working"  # it is being stopped
    UNKNOWN = "unknown"  # whoever gets its message finds out


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What became of a job that was taken away."""

    place: Place
    successor: Job | None = None
    """The same work for somebody else: it is to be published in its place."""


@dataclass(frozen=True, slots=True)
class LaneSnapshot:
    """What waits and is in work in one lane."""

    waiting: int
    working: int
    size_bytes: int
    """Of the images of the waiting jobs."""
    oldest_at: float | None
    """When the waiting job that is due first of its priority was accepted, the earliest of the
    priorities, in Unix seconds; None when none waits."""
    first_ids: tuple[str, ...]
    """Of the jobs that are due first, in order; of a long lane not all."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What waits and is in work at all dispatchers, as it was a moment ago."""

    lanes: Mapping[str, LaneSnapshot]
    """Those in which anything is."""
    tenants: Mapping[str, int]
    """How many jobs of each wait."""
