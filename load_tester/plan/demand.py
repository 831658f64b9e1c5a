"""What is asked for, before anything is scaled and before the moments in a second are drawn."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from load_tester.errors import ScheduleError

# Beyond this a schedule is a slip of the finger, and its plan would fill the memory.
MAX_IMAGES = 1_000_000
MAX_SECONDS = 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """So many images in each second; when within it is still to be said."""

    source: str
    """Where it comes from, such as `list`, `curve ramp`, or the name of a file."""
    per_second: Sequence[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Moments:
    """The exact moment of each image."""

    source: str
    moments_s: Sequence[float]
    """Seconds from the beginning, from 0 up, in order."""

    @property
    def seconds(self) -> int:
        """How many whole seconds it takes up, the last one begun included."""
        return int(self.moments_s[-1]) + 1 if self.moments_s else 0


Demand = Counts | Moments


def check_size(*, images: float | Fraction, seconds: float) -> None:
    """Raise ScheduleError when so many images in so many seconds send nothing or are too many."""
    if images == 0:
        raise ScheduleError("the schedule sends no image")
    # Written so that a number that is none (NaN) is refused as well.
    if not (images <= MAX_IMAGES and seconds <= MAX_SECONDS):
        raise ScheduleError(
            f"the schedule is too large: at most {MAX_IMAGES} images in {MAX_SECONDS} seconds"
            " (--from-second and --limit-seconds take a part of it)"
        )


def begin_at_zero(timestamps: Iterable[float], *, source: str) -> Moments:
    """Return the timestamps, in seconds and in any order, as moments counted from the earliest."""
    ordered = sorted(timestamps)
    return Moments(source=source, moments_s=array("d", (at - ordered[0] for at in ordered)))
