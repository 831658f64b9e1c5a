"""One run as it is kept: what was asked for, what happened to each image, what was watched.

Every figure, table and picture is computed from this and nothing else, so that a report can be
made again from the raw file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from load_tester.record import ImageRecord


class Mode(StrEnum):
    """How the moments of the sends came about."""

    OPEN = "open"  # from a plan, whatever becomes of the images before
    CLOSED = "closed"  # each worker sends its next image when its last one has ended


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One of the files that were sent; width and height in pixels, None where not readable."""

    size_bytes: int
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What was asked for: enough to run it again."""

    mode: Mode
    command: str
    """The arguments, as one line for a shell."""
    targets: tuple[str, ...]
    """The URLs, as they are named in the records."""
    source: str
    """Where the plan came from, such as `list`, `curve ramp`, or the name of a file."""
    plan_digest: str
    """Two runs with the same one were asked for the same moments."""
    seed: int
    timeout_s: float
    warm_up_s: float = 0.0
    """Images meant to be sent before this are left out of latencies and objectives."""
    max_workers: int | None = None
    objectives: tuple[str, ...] = ()
    """As they were written, such as `p95<300ms`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorSample:
    """The load tester and its machine over the time since the sample before."""

    at_s: float
    """Seconds since the run began, at the end of that time."""
    cpu: float
    """What the load tester used, as a part of one core."""
    machine_cpu: float
    """What everybody used, as a part of all cores."""
    stolen: float
    """What the host of this virtual machine took away, as a part of all cores."""
    waited: float
    """For what part of the time something runnable waited for a core (pressure of the system)."""
    loop_lag_s: float
    """The longest that the event loop was late."""
    rss_bytes: int
    in_flight: int
    """Images sent whose end is not known."""
    cores: int
    starved: float = 0.0
    """For what part of the time the load tester could have run and had no core; 0 where the
    system does not tell."""
    free_bytes: int | None = None
    """Memory that the machine, or the container, could still give; None where not told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceSample:
    """What the service's own metrics said, as sums over their labels."""

    at_s: float
    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ceiling:
    """What this generator can do at most, measured against its own echo server."""

    cycles_per_s: float
    """Images a second, each sent and asked for once."""
    body_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run, whole."""

    asked: Asked
    started_at: str
    """UTC, ISO 8601 with microseconds, without a zone."""
    planned: tuple[int, ...]
    """Images to send in each second; in a closed loop one entry, all of them and the retries."""
    records: tuple[ImageRecord, ...]
    """One for each planned image, by its number."""
    uploads: int
    """Sends begun, by the client's own count."""
    interrupted: bool = False
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    """The true label of each file, where known."""
    ceiling: Ceiling | None = None
    generator: tuple[GeneratorSample, ...] = ()
    service: tuple[ServiceSample, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """The machine and the versions that the figures belong to."""
