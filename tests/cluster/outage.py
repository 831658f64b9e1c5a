"""What clients see while a server is away, and after it is back."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.durability.client_log import ClientLog, Try

ANSWER_WITHIN_S = 5.0
"""Every POST is answered by then, whatever is away."""
BACK_WITHIN_S = 10.0
"""After a server is back, the full rate is back."""
_WINDOW_S = 3.0
"""Rates are counted over so long."""
_FULL = 0.8
"""Part of the rate of new orders that counts as all of it; they come and go at random."""
_SLACK_S = 1.0
"""Processes, servers and clients share two cores."""


@dataclass(frozen=True, slots=True)
class Outage:
    """How an outage looked from outside."""

    refused: int
    """Tries that were answered with a refusal."""
    slowest_answer_s: float
    unanswered: int
    """Tries without any answer, of dispatchers that lived all the time."""
    back_after_s: float
    """From the server's return until as much is accepted as is sent anew; whoever was refused
    meanwhile comes again on top of that."""
    calm_after_s: float
    """From the server's return to the last try that was refused, or answered by nobody."""
    unavailable_s: float
    """The longest time in which nothing was accepted."""

    def findings(self) -> list[str]:
        """Say what was promised otherwise."""
        found = []
        if self.unanswered:
            found.append(f"{self.unanswered} POSTs had no answer")
        if self.slowest_answer_s > ANSWER_WITHIN_S + _SLACK_S:
            found.append(f"a POST took {self.slowest_answer_s:.1f} s")
        if self.back_after_s > BACK_WITHIN_S:
            found.append(f"below the full rate {self.back_after_s:.1f} s after the server was back")
        return found


def seen_outage(
    log: ClientLog, *, began_at: float, back_at: float, until: float, rate_per_s: float
) -> Outage:
    """Return how an outage looked.

    Args:
        log: of clients that sent before, during and after it.
        began_at: when the server went away, Unix seconds.
        back_at: when it was back.
        until: how long it is looked at: until the next one, say.
        rate_per_s: orders that are sent anew, each second.
    """
    during = [one for one in log.tries if one.answered_at >= began_at and one.sent_at <= until]
    refused = [one for one in during if not one.is_accepted]
    last = max((one.sent_at for one in refused), default=began_at)
    return Outage(
        refused=sum(one.status is not None for one in refused),
        slowest_answer_s=max((one.answered_at - one.sent_at for one in during), default=0.0),
        unanswered=sum(one.status is None for one in refused),
        back_after_s=_full_rate_at(
            [one for one in during if one.answered_at <= until],
            back_at=back_at,
            rate_per_s=rate_per_s,
        )
        - back_at,
        calm_after_s=max(0.0, last - back_at),
        unavailable_s=_longest_gap(log.tries, after=began_at, until=until),
    )


def _full_rate_at(tries: Sequence[Try], *, back_at: float, rate_per_s: float) -> float:
    """Return when the last window ended in which some were refused and too few accepted."""
    accepted = sorted(one.answered_at for one in tries if one.is_accepted)
    refused = sorted(one.answered_at for one in tries if not one.is_accepted)
    short = [
        end
        for end in refused
        if end > back_at
        and _within(accepted, end - _WINDOW_S, end) < _FULL * rate_per_s * _WINDOW_S
    ]
    return max(short, default=back_at)


def _longest_gap(tries: Sequence[Try], *, after: float, until: float) -> float:
    """Return the longest time between two acceptances, in seconds."""
    accepted = sorted(one.answered_at for one in tries if one.is_accepted)
    moments = [after, *accepted[bisect_right(accepted, after) : bisect_right(accepted, until)]]
    return max(end - begin for begin, end in pairwise([*moments, until]))


def _within(moments: Sequence[float], after: float, until: float) -> int:
    """Return how many moments, which are sorted, lie in a window."""
    return bisect_right(moments, until) - bisect_right(moments, after)
