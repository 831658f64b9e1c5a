"""Which images of a run are measured, and over which time: what warm-up leaves out. Pure."""

from dataclasses import dataclass

from load_tester.record import ImageRecord, Outcome
from load_tester.run import Mode, Run

INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The time in which the load was meant to last, in seconds since the run began."""

    begin_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """Its length in seconds, never negative."""
        return max(0.0, self.end_s - self.begin_s)


def measured_records(run: Run) -> list[ImageRecord]:
    """Return the records of the images that were due after the warm-up, in the order of the run."""
    return [record for record in run.records if record.sched_s >= run.asked.warm_up_s]


def measured_window(run: Run) -> Window:
    """Return the time that the load was meant to take after the warm-up.

    In the open loop that is the plan's, up to the last image that an interruption did not
    forestall. A closed loop has no plan; it lasts from its first send to its last result.
    """
    begin_s = run.asked.warm_up_s
    if run.asked.mode is Mode.OPEN and not run.interrupted:
        return Window(begin_s=begin_s, end_s=float(len(run.planned)))
    records = measured_records(run)
    if run.asked.mode is Mode.OPEN:
        due = [record.sched_s for record in records if not is_forestalled(record)]
        return Window(begin_s=begin_s, end_s=max(due, default=begin_s))
    begun = [record.sent_s for record in records if record.sent_s is not None]
    ended = [record.seen_s for record in records if record.seen_s is not None]
    return Window(begin_s=min(begun, default=begin_s), end_s=max(ended, default=begin_s))


def is_forestalled(record: ImageRecord) -> bool:
    """Tell whether it was never sent because the run was stopped before."""
    return record.outcome is Outcome.NOT_SENT and record.reason == INTERRUPTED
