"""Scaling, cutting and repeating what is asked for; no image is lost or made beyond rounding.

In this order: the part that begins at `from_second`; that, `time` times as long; with `rate`
times as many images; `repeat` times over. Of n images, round(n * rate) are sent, exactly: what
is scaled is the number of images up to each moment, and the images of a second are the rise of
its rounded value. So a whole `rate` multiplies every second exactly. Factors are fractions, so
0.1 means a tenth.
"""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, pairwise

from load_tester.errors import ScheduleError
from load_tester.plan.demand import Counts, Demand, Moments, check_size

# Beyond these a factor is a slip of the finger.
MIN_FACTOR = 1e-6
MAX_FACTOR = 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Reshaping:
    """What becomes of the images asked for before they are planned."""

    from_second: int = 0
    """Where the part to be sent begins, in seconds of the source."""
    limit_seconds: int | None = None
    """How long that part is, in seconds of the source; to the end when None."""
    time: Fraction = Fraction(1)
    """How many times as long the same images take; the rate falls accordingly."""
    rate: Fraction = Fraction(1)
    """How many times as many images are sent in the same time."""
    repeat: int = 1
    """How often all of it is sent, each time beginning with a whole second."""


def reshape(demand: Demand, reshaping: Reshaping) -> Demand:
    """Return the demand cut, scaled and repeated; raises ScheduleError when too much or nothing."""
    part: Demand
    if isinstance(demand, Counts):
        part = replace(demand, per_second=_reshape_counts(demand.per_second, reshaping))
        images, seconds = sum(part.per_second), len(part.per_second)
    else:
        part = _reshape_moments(demand, reshaping)
        images, seconds = len(part.moments_s), part.seconds
    check_size(images=images * reshaping.repeat, seconds=seconds * reshaping.repeat)
    return part if reshaping.repeat == 1 else _repeat(part, reshaping.repeat)


def read_factor(text: str) -> Fraction:
    """Return a factor written as `2`, `0.5` or `1/3`; raises ScheduleError for anything else."""
    try:
        above, _, below = text.partition("/")
        # The size first: an exact fraction of 1e999999999 would fill the memory.
        if not MIN_FACTOR <= float(above) / float(below or "1") <= MAX_FACTOR:
            raise ValueError
        return Fraction(above) / Fraction(below or "1")
    except (ValueError, ZeroDivisionError) as exc:
        raise ScheduleError(
            f"not a factor from {MIN_FACTOR:g} to {MAX_FACTOR:g}: {text[:40]!r}"
        ) from exc


def round_half_up(value: Fraction) -> int:
    """Return the nearest whole number, the larger one when two are as near."""
    return math.floor(value + Fraction(1, 2))


def _reshape_counts(per_second: Sequence[int], reshaping: Reshaping) -> tuple[int, ...]:
    first, limit = reshaping.from_second, reshaping.limit_seconds
    part = per_second[first:] if limit is None else per_second[first : first + limit]
    if reshaping.time == 1 and reshaping.rate == 1:
        return tuple(part)
    seconds = math.ceil(len(part) * reshaping.time)
    check_size(images=sum(part) * reshaping.rate, seconds=seconds)
    up_to = [0, *accumulate(part)]

    def images_by(second: int) -> int:
        """Return how many images are due before the end of a second of the scaled schedule."""
        whole, rest = divmod(second / reshaping.time, 1)
        if whole >= len(part):
            return round_half_up(up_to[-1] * reshaping.rate)
        return round_half_up((up_to[whole] + rest * part[whole]) * reshaping.rate)

    ends = (images_by(second) for second in range(seconds + 1))
    return tuple(after - before for before, after in pairwise(ends))


def _reshape_moments(demand: Moments, reshaping: Reshaping) -> Moments:
    first, limit = reshaping.from_second, reshaping.limit_seconds
    end_s = math.inf if limit is None else first + limit
    factor = float(reshaping.time)
    part = array("d", ((at - first) * factor for at in demand.moments_s if first <= at < end_s))
    total = round_half_up(len(part) * reshaping.rate)
    check_size(images=total, seconds=0)
    return replace(demand, moments_s=part if total == len(part) else _resample(part, total))


def _resample(moments_s: Sequence[float], total: int) -> Sequence[float]:
    """Return `total` moments that follow the given ones as closely as can be.

    Image j takes the place j * n / total among the n given; between two of them it lies as far
    along as its place says, and behind the last one before the end of that second.
    """
    ends = [*moments_s, float(int(moments_s[-1]) + 1)]
    resampled = array("d")
    for image in range(total):
        place, rest = divmod(image * len(moments_s), total)
        before, after = ends[place], ends[place + 1]
        # Rounding must not carry the last ones into the next second.
        latest = math.nextafter(after, before)
        resampled.append(min(before + (after - before) * (rest / total), latest))
    return resampled


def _repeat(demand: Demand, times: int) -> Demand:
    if isinstance(demand, Counts):
        return replace(demand, per_second=tuple(demand.per_second) * times)
    moments_s = array("d")
    for time in range(times):
        moments_s.extend(at_s + time * demand.seconds for at_s in demand.moments_s)
    return replace(demand, moments_s=moments_s)
