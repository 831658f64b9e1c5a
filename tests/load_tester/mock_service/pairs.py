"""The images of a run as the load tester reports them, each beside the truth about it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from load_tester.record import ImageRecord, Outcome
from load_tester.run import Run
from tests.load_tester.mock_service.truth import Fault, TrueJob, Truth

# How a load tester that is asked to check labels must report each fault: the outcome, and how its
# reason begins.
_REPORTED: Final = {
    Fault.ERROR: (Outcome.FAILED, "http_500"),
    Fault.WRONG_LABEL: (Outcome.WRONG, "wrong_label"),
    Fault.LOST: (Outcome.FAILED, "lost"),
    Fault.TWICE: (Outcome.WRONG, "ticket_given_twice"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """One image as it is reported, and as it was."""

    told: ImageRecord
    true: TrueJob


def pair_up(run: Run, truth: Truth) -> list[Pair]:
    """Return the images that ended well, each with the truth about it."""
    by_ticket = {job.request_id: job for job in truth.jobs if job.fault is not Fault.TWICE}
    return [
        Pair(told=record, true=by_ticket[record.request_id])
        for record in run.records
        if record.outcome is Outcome.OK and record.request_id is not None
    ]


def find_origin_s(pairs: Sequence[Pair]) -> float:
    """Return when the run began on the machine's clock, at most one send's way too late.

    No image can arrive before it was sent, so the earliest arrival, seen from its send, bounds
    it: what is computed with it as the lateness of a report comes out too large, never too small.
    """
    return min(
        pair.true.began_s - pair.told.sent_s for pair in pairs if pair.told.sent_s is not None
    )


def count_reported(records: Iterable[ImageRecord]) -> Counter[Fault]:
    """Return how many images of each fault are reported, and how many without any."""
    counts: Counter[Fault] = Counter()
    for record in records:
        counts[Fault.NONE] += record.outcome is Outcome.OK
        for fault, (outcome, reason) in _REPORTED.items():
            counts[fault] += record.outcome is outcome and (record.reason or "").startswith(reason)
    return counts
