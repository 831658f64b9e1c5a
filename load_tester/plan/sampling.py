"""From a curve to images per second: nothing lost to rounding, and no faster rise than allowed."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from load_tester.errors import ScheduleError
from load_tester.plan.curves import Curve
from load_tester.plan.demand import MAX_SECONDS, check_size

# A curve is looked at in the middle of each cell. Their number is a multiple of 20, so that the
# fifths of a step curve and the quarters of a spike end where a cell does, and both are exact.
CELL_S = 0.01
MAX_CELLS = 100_000
_CELLS_STEP = 20
# What a sum of floats may be wrong by, far below half an image.
_DIGITS = 6
# A curve that should touch zero may miss it by a rounding.
ZERO = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class SampledCurve:
    """A curve that rises no faster than it may."""

    duration_s: float
    users: Sequence[float]
    """The users in each cell; all cells are equally long."""
    images: Sequence[float]
    """The images asked for before each cell, and at the end, at one a second for each user."""

    def users_at(self, t_s: float) -> float:
        """Return the users at `t_s` seconds; none before the run and after it."""
        if not 0 <= t_s < self.duration_s:
            return 0.0
        return self.users[min(int(t_s / self.duration_s * len(self.users)), len(self.users) - 1)]

    def images_by(self, t_s: float) -> float:
        """Return the images asked for in the first `t_s` seconds, parts of one included."""
        place = min(max(t_s / self.duration_s, 0.0), 1.0) * len(self.users)
        cell = int(place)
        if cell == len(self.users):
            return self.images[-1]
        return self.images[cell] + (self.images[cell + 1] - self.images[cell]) * (place - cell)

    def images_per_second(self) -> tuple[int, ...]:
        """Return the whole images of each second: the rise of the rounded sum up to its end.

        So their sum is the area under the curve to half an image, however small the rates.
        """
        seconds = math.ceil(self.duration_s)
        ends = (math.floor(round(self.images_by(s), _DIGITS) + 0.5) for s in range(seconds + 1))
        return tuple(after - before for before, after in pairwise(ends))


def sample_curve(
    curve: Curve, *, users: float, duration_s: float, spawn_rate: float = math.inf
) -> SampledCurve:
    """Look at a curve from its beginning to its end.

    `spawn_rate` is how many users a second may be added at most, from none at the beginning on.
    Raises ScheduleError when the curve is no number from 0 up somewhere, or asks for too much.
    """
    for name, value in (("users", users), ("duration", duration_s), ("spawn rate", spawn_rate)):
        if not value > 0:
            raise ScheduleError(f"a curve needs a {name} greater than 0")
    if not (duration_s <= MAX_SECONDS and math.isfinite(users)):
        check_size(images=users, seconds=duration_s)
    cells = _CELLS_STEP * math.ceil(min(duration_s / CELL_S, MAX_CELLS) / _CELLS_STEP)
    width_s = duration_s / cells
    # At the middle of the first cell half a cell has passed.
    allowed = spawn_rate * width_s / 2
    sampled = array("d")
    for cell in range(cells):
        t_s = (cell + 0.5) * width_s
        present = min(_check(curve(t_s, users, duration_s), t_s), allowed)
        sampled.append(present)
        allowed = present + spawn_rate * width_s
    # Summed before the width comes in: users are often whole, and their sum then exact.
    images = array("d", (total * width_s for total in accumulate(sampled, initial=0.0)))
    check_size(images=images[-1], seconds=duration_s)
    return SampledCurve(duration_s=duration_s, users=sampled, images=images)


def _check(users: float, t_s: float) -> float:
    if not -ZERO <= users < math.inf:
        raise ScheduleError(f"the curve gives no number of users from 0 up at t = {t_s:g}: {users}")
    return max(users, 0.0)
