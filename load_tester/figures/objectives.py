"""Objectives such as `p95<300ms,error<0.1%,wrong==0`: read, and checked against a run. Pure.

What can be asked for:

- `p50`, `p99.9` or any other percentile, `max`, `mean`: end to end, of the images that ended ok;
  in `us`, `ms` or `s`
- `error`: images due that did not end ok, in `%` or as a part of 1
- `ok`, `wrong`, `failed`, `refused`, `timed_out`, `not_sent`: images with that end, as a number
  or in `%` of those due
- `goodput`: images that ended ok, in `/s`

with `<`, `<=`, `>`, `>=` or `==`. Images due during the warm-up are left out of all of them, and
so are those that an interruption forestalled or left under way.
"""

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from load_tester.errors import ObjectiveError
from load_tester.figures.latency import samples_needed, tell_percentiles
from load_tester.figures.rates import measure_rates
from load_tester.figures.window import is_forestalled, measured_records
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Run

_OBJECTIVE = re.compile(
    r"(?P<figure>p\d{1,2}(?:\.\d{1,3})?|[a-z_]+)\s*(?P<sign><=|>=|==|<|>)\s*"
    r"(?P<number>\d{1,9}(?:\.\d{1,9})?)\s*(?P<unit>us|ms|s|%|/s|)"
)
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_DURATIONS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_COUNTED = {
    "ok": Outcome.OK,
    "wrong": Outcome.WRONG,
    "failed": Outcome.FAILED,
    "refused": Outcome.REFUSED,
    "timed_out": Outcome.TIMED_OUT,
    "not_sent": Outcome.NOT_SENT,
}
_EXAMPLE = "such as p95<300ms, error<0.1%, wrong==0 or goodput>=90/s"


class Unit(StrEnum):
    """What an objective's number counts."""

    SECONDS = "s"
    PART = "part"  # of the images due
    IMAGES = "images"
    PER_SECOND = "/s"


class Status(StrEnum):
    """What became of an objective; only `met` is good."""

    MET = "met"
    MISSED = "missed"
    NOT_SHOWN = "not_shown"  # too few images to know; it counts as missed


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """One thing asked of a run; `bound` is in `unit`."""

    text: str
    figure: str
    sign: str
    bound: float
    unit: Unit

    @property
    def quantile(self) -> float | None:
        """The percentile that it is about (0 to 100), None where it is about something else."""
        return float(self.figure[1:]) if self.figure[1:2].isdigit() else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """What became of one objective; `told` is the run's figure in `unit`, None where unknown."""

    objective: str
    status: Status
    told: float | None
    unit: Unit
    sentence: str

    @property
    def is_met(self) -> bool:
        """Whether the run showed that it is met."""
        return self.status is Status.MET


def read_objectives(texts: Iterable[str]) -> tuple[Objective, ...]:
    """Return the objectives in the texts, each a list with commas.

    Raises ObjectiveError, in one line, for what is none.
    """
    return tuple(_read(part.strip()) for text in texts for part in text.split(","))


def check_objectives(run: Run) -> tuple[Check, ...]:
    """Return what became of each objective of a run, in the order in which they were given."""
    due = [record for record in measured_records(run) if not _is_cut_off(record)]
    return tuple(_check(objective, run, due) for objective in read_objectives(run.asked.objectives))


def _read(text: str) -> Objective:
    match = _OBJECTIVE.fullmatch(text)
    if match is None:
        raise ObjectiveError(f"not an objective: {text!r} ({_EXAMPLE})")
    figure, number, unit = match["figure"], float(match["number"]), match["unit"]
    bound, kind = _read_bound(text, figure, number, unit)
    return Objective(text=text, figure=figure, sign=match["sign"], bound=bound, unit=kind)


def _read_bound(text: str, figure: str, number: float, unit: str) -> tuple[float, Unit]:
    """Return the bound and what it counts; raises ObjectiveError for a unit that does not fit."""
    if figure in {"max", "mean"} or figure[1:2].isdigit():
        if unit not in _DURATIONS:
            raise ObjectiveError(f"the objective {text!r} needs a unit: us, ms or s")
        if figure[1:2].isdigit() and float(figure[1:]) == 0:
            raise ObjectiveError(f"the objective {text!r} names no percentile above 0")
        return number * _DURATIONS[unit], Unit.SECONDS
    if figure == "goodput" and unit in {"/s", ""}:
        return number, Unit.PER_SECOND
    if figure in _COUNTED and unit == "":
        return number, Unit.IMAGES
    if (figure == "error" and unit == "") or (figure in {"error", *_COUNTED} and unit == "%"):
        return number / 100 if unit else number, Unit.PART
    if figure in {"error", "goodput", *_COUNTED}:
        raise ObjectiveError(f"the unit of the objective {text!r} does not fit ({_EXAMPLE})")
    raise ObjectiveError(f"no such figure in the objective {text!r} ({_EXAMPLE})")


def _is_cut_off(record: ImageRecord) -> bool:
    return is_forestalled(record) or record.outcome is Outcome.ABANDONED


def _check(objective: Objective, run: Run, due: Sequence[ImageRecord]) -> Check:
    told = _tell(objective, run, due)
    if told is None:
        status, sentence = Status.NOT_SHOWN, _explain(objective, due)
    else:
        is_met = _SIGNS[objective.sign](told, objective.bound)
        status = Status.MET if is_met else Status.MISSED
        sentence = f"{objective.text}: {status}, it was {_show(told, objective.unit)}"
    return Check(
        objective=objective.text, status=status, told=told, unit=objective.unit, sentence=sentence
    )


def _tell(objective: Objective, run: Run, due: Sequence[ImageRecord]) -> float | None:
    """Return the run's figure in the objective's unit, None where it cannot be known."""
    if objective.unit is Unit.SECONDS:
        return _tell_duration(objective, due)
    if objective.unit is Unit.PER_SECOND:
        return measure_rates(run).goodput_per_s
    if not due:
        return None
    wanted = _COUNTED.get(objective.figure)
    if wanted is None:
        count = sum(record.outcome is not Outcome.OK for record in due)
    else:
        count = sum(record.outcome is wanted for record in due)
    return count / len(due) if objective.unit is Unit.PART else float(count)


def _tell_duration(objective: Objective, due: Sequence[ImageRecord]) -> float | None:
    durations = [record.end_to_end_s for record in due if record.outcome is Outcome.OK]
    known = [value for value in durations if value is not None]
    if objective.quantile is not None:
        return tell_percentiles(known, [objective.quantile])[0]
    if not known:
        return None
    return max(known) if objective.figure == "max" else sum(known) / len(known)


def _explain(objective: Objective, due: Sequence[ImageRecord]) -> str:
    done = sum(record.outcome is Outcome.OK for record in due)
    lead = f"{objective.text}: not shown to be met, which counts as missed"
    if objective.quantile is None:
        return f"{lead}; no image was measured"
    needed = samples_needed(objective.quantile)
    return f"{lead}; {objective.figure} needs {needed} images that ended ok, there were {done}"


def _show(value: float, unit: Unit) -> str:
    if unit is Unit.SECONDS:
        return f"{1000 * value:.2f} ms"
    if unit is Unit.PART:
        return f"{100 * value:.3f} %"
    return f"{value:.2f}/s" if unit is Unit.PER_SECOND else f"{value:.0f}"
