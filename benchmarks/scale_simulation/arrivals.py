"""When images come: the same moments for the real service and for the simulated one."""

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrival:
    """One image that is sent."""

    due_s: float
    """Seconds after the start."""
    key: int
    """Images with the same key are the same bytes."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A time with one rate."""

    per_second: float
    seconds: float


def draw_arrivals(
    phases: Sequence[Phase], *, seed: int, repeat_share: float = 0.0
) -> list[Arrival]:
    """Return the arrivals of a Poisson process, in order.

    Args:
        phases: one after the other.
        seed: of the generator; the same seed gives the same arrivals.
        repeat_share: the part of the images that are the same bytes as an earlier one.
    """
    dice = random.Random(seed)
    arrivals: list[Arrival] = []
    distinct, begins = 0, 0.0
    for phase in phases:
        due = begins
        while (due := due + dice.expovariate(phase.per_second)) < begins + phase.seconds:
            if distinct and dice.random() < repeat_share:
                key = dice.randrange(distinct)
            else:
                key, distinct = distinct, distinct + 1
            arrivals.append(Arrival(due, key))
        begins += phase.seconds
    return arrivals
