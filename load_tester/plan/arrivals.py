"""The moments of the sends within each second, drawn before the run: `even` or `poisson`."""

import hashlib
import math
import random
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

from load_tester.plan.demand import Counts, Demand, Moments
from load_tester.plan.plan import Plan


class Arrivals(StrEnum):
    """How the sends of one second lie within it."""

    EVEN = "even"  # at equal distances, the first as the second begins
    POISSON = "poisson"  # at random and independent of each other, as strangers come


def make_plan(
    per_second: Sequence[int],
    *,
    source: str,
    arrivals: Arrivals = Arrivals.EVEN,
    seed: int = 0,
) -> Plan:
    """Return the plan that sends exactly `per_second[n]` images in second n + 1.

    Each moment is reckoned from the beginning of its own second, so nothing drifts. The same
    numbers, arrivals and seed give the same plan on every machine.
    """
    draw = _draw_even if arrivals is Arrivals.EVEN else _poisson_with(random.Random(seed))
    moments_s = array("d")
    for begins_s, count in enumerate(per_second):
        moments_s.extend(draw(begins_s, count))
    return Plan(
        per_second=tuple(per_second),
        moments_s=moments_s,
        source=source,
        digest=digest_moments(moments_s),
    )


def keep_moments(moments: Moments) -> Plan:
    """Return the plan that sends at exactly these moments."""
    per_second = [0] * moments.seconds
    for at_s in moments.moments_s:
        per_second[int(at_s)] += 1
    return Plan(
        per_second=tuple(per_second),
        moments_s=moments.moments_s,
        source=moments.source,
        digest=digest_moments(moments.moments_s),
    )


def plan_demand(demand: Demand, *, arrivals: Arrivals, seed: int) -> Plan:
    """Return the plan for whatever is asked for; exact moments have nothing left to draw."""
    if isinstance(demand, Counts):
        return make_plan(demand.per_second, source=demand.source, arrivals=arrivals, seed=seed)
    return keep_moments(demand)


def digest_moments(moments_s: Sequence[float]) -> str:
    """Return a short digest of the moments, to the microsecond, in seconds from the beginning."""
    micros = array("q", (round(at_s * 1e6) for at_s in moments_s))
    if sys.byteorder == "big":
        micros.byteswap()
    return hashlib.sha256(micros.tobytes()).hexdigest()[:16]


def _draw_even(begins_s: int, count: int) -> Iterator[float]:
    return (begins_s + place / count for place in range(count))


def _poisson_with(generator: random.Random) -> Callable[[int, int], Iterator[float]]:
    """Return what draws the moments of a Poisson process of which the number is known.

    Given their number n, the arrivals of a Poisson process in an interval are n independent
    uniform moments, sorted (Ross, Stochastic Processes, 2nd ed., theorem 2.3.1).
    """

    def draw(begins_s: int, count: int) -> Iterator[float]:
        # The sum may be rounded up to the next second, where the image does not belong.
        latest_s = math.nextafter(begins_s + 1, 0)
        places = sorted(generator.random() for _ in range(count))
        return (min(begins_s + place, latest_s) for place in places)

    return draw
