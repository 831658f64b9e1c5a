"""Load curves: how many users there are at each moment of a run.

Every curve is a function of the time since the run began, of the most users there may be, and of
how long the run takes; all the times are seconds. In the open loop one user is one image a
second; under Locust one user is one of Locust's.

| curve | users at t |
| --- | --- |
| `ramp` | rises evenly from none to all of them at the end |
| `step` | five equal steps: a fifth, two fifths, ... all of them |
| `spike` | a tenth; between the first and the last quarter of the run all of them |
| `sinus` | one sine wave around the half: half, all, half, none, half |
| `flat` | all of them, throughout |

The shapes are those of the load tests that Conveyor replaces and of Locust's own examples
(docs.locust.io, "Custom load shapes"). Whatever the curve, no more than `spawn_rate` users a
second are added (`sampling`); they may leave at once.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

Curve = Callable[[float, float, float], float]
"""Returns the users at `t_s`, given the most users and the duration in seconds."""

DEFAULT_CURVE = "ramp"
DEFAULT_USERS = 20.0
DEFAULT_DURATION_S = 60.0
DEFAULT_SPAWN_RATE = 2.0

STEPS = 5
# What of the users is there before and after a spike.
SPIKE_BASE = 0.1


def ramp(t_s: float, users: float, duration_s: float) -> float:
    """Return the users of an even rise from none to all."""
    return users * t_s / duration_s


def step(t_s: float, users: float, duration_s: float) -> float:
    """Return the users of a staircase of five equal steps, beginning on the first."""
    return users * min(math.floor(STEPS * t_s / duration_s) + 1, STEPS) / STEPS


def spike(t_s: float, users: float, duration_s: float) -> float:
    """Return a tenth of the users, and all of them in the middle half of the run."""
    return users if duration_s <= 4 * t_s < 3 * duration_s else users * SPIKE_BASE


def sinus(t_s: float, users: float, duration_s: float) -> float:
    """Return the users of one sine wave between none and all, beginning with half."""
    return users * (1 + math.sin(2 * math.pi * t_s / duration_s)) / 2


def flat(t_s: float, users: float, duration_s: float) -> float:
    """Return all the users, always."""
    return users


CURVES: Mapping[str, Curve] = MappingProxyType(
    {"ramp": ramp, "step": step, "spike": spike, "sinus": sinus, "flat": flat}
)
