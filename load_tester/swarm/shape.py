"""How many users there are at each moment: the load tester's curves as a shape of Locust's."""

import logging
import math

from locust import LoadTestShape

from load_tester.errors import LoadTesterError
from load_tester.pacing import now_s
from load_tester.plan.sampling import SampledCurve
from load_tester.swarm.arguments import read_curve

log = logging.getLogger(__name__)


class CurveShape(LoadTestShape):
    """Has as many users at each moment as the curve says."""

    use_common_options = True
    curve: SampledCurve | None = None
    _began_s = 0.0

    def reset_time(self) -> None:
        """Begin with the curve that is asked for now; the web page may have changed it."""
        self._began_s = now_s()
        assert self.runner is not None
        options = self.runner.environment.parsed_options
        assert options is not None
        try:
            self.curve = read_curve(options)
        except (LoadTesterError, ValueError) as exc:
            log.error("no curve, no test: %s", exc)
            self.curve = None

    def tick(self) -> tuple[int, float] | None:
        """Return the users of the second that begins, and None at the end.

        The curve itself rises no faster than the spawn rate, so the users of one second are
        started, and those too many are stopped, at once.
        """
        run_time_s = now_s() - self._began_s
        if self.runner is None or self.curve is None or run_time_s >= self.curve.duration_s:
            return None
        middle_s = min(run_time_s + 0.5, math.nextafter(self.curve.duration_s, 0))
        users = math.floor(self.curve.users_at(middle_s) + 0.5)
        return users, float(max(1, abs(users - self.runner.user_count)))
