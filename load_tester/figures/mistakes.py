"""What did not end ok: when, why, and which answers were wrong. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from load_tester.record import ImageRecord, Outcome
from load_tester.run import Run

MOST_REASONS: Final = 8
OTHER: Final = "other reasons"
MOST_WRONG: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One way in which images did not end ok."""

    outcome: str
    reason: str
    images: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReasonWindow:
    """How many of the images due in one window ended in one way."""

    at_s: int
    name: str
    images: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WrongAnswer:
    """One answer that was not right; None where it did not say, or the truth is not known."""

    index: int
    at_s: float
    file: str
    target: str
    request_id: str | None
    reason: str
    told: str | None
    expected: str | None


def count_reasons(run: Run) -> list[Reason]:
    """Return every outcome and reason but ok, most frequent first."""
    counted = Counter((record.outcome, record.reason or "") for record in _list_bad(run))
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return [
        Reason(outcome=str(outcome), reason=reason, images=images)
        for (outcome, reason), images in ordered
    ]


def name_reason(outcome: str, reason: str) -> str:
    """Return how a chart calls a reason."""
    return f"{outcome.replace('_', ' ')}: {reason}" if reason else outcome.replace("_", " ")


def count_reasons_over_time(run: Run, *, width_s: int) -> list[ReasonWindow]:
    """Return the commonest reasons over time; the rest are counted together."""
    named = [name_reason(reason.outcome, reason.reason) for reason in count_reasons(run)]
    common = set(named if len(named) <= MOST_REASONS else named[: MOST_REASONS - 1])
    counted = Counter[tuple[int, str]]()
    for record in _list_bad(run):
        name = name_reason(record.outcome, record.reason or "")
        counted[int(record.sched_s // width_s), name if name in common else OTHER] += 1
    return [
        ReasonWindow(at_s=row * width_s, name=name, images=images)
        for (row, name), images in sorted(counted.items())
    ]


def list_wrong(run: Run) -> list[WrongAnswer]:
    """Return the first fifty wrong answers, in the order of the plan."""
    wrong = [record for record in run.records if record.outcome is Outcome.WRONG]
    wrong.sort(key=lambda record: (record.index, record.attempt))
    return [
        WrongAnswer(
            index=record.index,
            at_s=record.sched_s,
            file=record.file,
            target=record.target,
            request_id=record.request_id,
            reason=record.reason or "",
            told=record.top_label,
            expected=run.labels.get(record.file),
        )
        for record in wrong[:MOST_WRONG]
    ]


def _list_bad(run: Run) -> Sequence[ImageRecord]:
    return [record for record in run.records if record.outcome is not Outcome.OK]
