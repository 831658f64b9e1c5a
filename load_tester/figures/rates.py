"""How many images a second: asked for, sent, and of use. Pure."""

import math
from dataclasses import dataclass

from load_tester.figures.window import Window, is_forestalled, measured_records, measured_window
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Mode, Run

# When this part of the results was there before the load ended, the service kept up with it.
# The rest may be stragglers, which say nothing of a rate.
KEPT_UP = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """Images a second, without the warm-up; None where nothing was measured."""

    target_per_s: float | None
    """What the plan asked for; None in a closed loop, which has no plan."""
    achieved_per_s: float | None
    """What was sent before the load was meant to end."""
    goodput_per_s: float | None
    """Images that ended ok."""
    span_s: float | None
    """From the first send to the last result, in seconds."""
    completed_per_s: float | None
    """Images that ended ok over that span."""


def measure_rates(run: Run) -> Rates:
    """Return the rates of a run.

    Goodput is what ended ok over the time that the load lasted. Where more than a twentieth of
    the results came after that time, the service was behind, and goodput is the rate at which
    the first 95 % of the results came.
    """
    window = measured_window(run)
    due = [record for record in measured_records(run) if not is_forestalled(record)]
    done = [record for record in due if record.outcome is Outcome.OK]
    sent = [record.sent_s for record in due if record.sent_s is not None]
    span_s = _measure_span(due, done)
    return Rates(
        target_per_s=_rate(len(due), window) if run.asked.mode is Mode.OPEN else None,
        achieved_per_s=_rate(sum(moment < window.end_s for moment in sent), window),
        goodput_per_s=_measure_goodput(done, window),
        span_s=span_s,
        completed_per_s=len(done) / span_s if span_s else None,
    )


def _rate(count: int, window: Window) -> float | None:
    return count / window.length_s if window.length_s else None


def _measure_goodput(done: list[ImageRecord], window: Window) -> float | None:
    rate = _rate(len(done), window)
    seen = sorted(record.seen_s for record in done if record.seen_s is not None)
    if rate is None or not seen:
        return rate
    enough = math.ceil(KEPT_UP * len(seen))
    if seen[enough - 1] <= window.end_s:
        return rate
    return enough / (seen[enough - 1] - window.begin_s)


def _measure_span(records: list[ImageRecord], done: list[ImageRecord]) -> float | None:
    """Return the seconds from the first send to the last result, None when there is no result."""
    first_s = min((record.sent_s for record in records if record.sent_s is not None), default=None)
    last_s = max((record.seen_s for record in done if record.seen_s is not None), default=None)
    return None if first_s is None or last_s is None else last_s - first_s
