"""The search for the highest rate that meets the objectives: which rate to try next. Pure.

The rate doubles until one misses, then the gap between the highest that met and the lowest that
missed is halved (geometrically) until it is small. The rate that is left is tried once more with
other moments, because one lucky step is no capacity. A step in which the load tester itself was
disturbed says nothing of the service: it is repeated, and after the second time in a row at the
same rate the search ends there and says so.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from load_tester.figures.latency import samples_needed
from load_tester.figures.objectives import Objective, check_objectives
from load_tester.figures.verdict import Level, judge
from load_tester.run import Run

# The gap that ends the search: the rate that missed is at most this much above the one that met.
RESOLUTION = 0.05
MOST_INVALID = 2
CONFIRMATIONS = 2
# A Poisson step brings now more, now fewer images, and some may fail.
SPARE_SAMPLES = 1.25


class StepResult(StrEnum):
    """What one step showed."""

    MET = "met"  # every objective
    MISSED = "missed"  # at least one objective, or it could not be shown to be met
    INVALID = "invalid"  # nothing: the load tester was disturbed


class End(StrEnum):
    """Why a search ended."""

    FOUND = "found"
    REACHED_HIGH = "the highest rate to be tried met the objectives"
    BELOW_LOW = "the lowest rate to be tried missed the objectives"
    GENERATOR = "the load tester was disturbed at the next rate, twice"
    GONE = "the service went away"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Step:
    """One rate that was tried, in images a second."""

    rate: float
    result: StepResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Between which rates to search, in images a second."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Capacity:
    """What a search found; `rate` is the highest that met the objectives, None when none did."""

    rate: float | None
    missed_rate: float | None
    """The lowest rate that missed, None when none did."""
    end: End


def judge_step(run: Run) -> StepResult:
    """Return what a step showed of the service, or that it showed nothing."""
    if judge(run).level is Level.INVALID:
        return StepResult.INVALID
    is_met = all(check.is_met for check in check_objectives(run))
    return StepResult.MET if is_met else StepResult.MISSED


def choose_rate(steps: Sequence[Step], limits: Limits) -> float | None:
    """Return the rate to try next, None when the search is over (`conclude` says why)."""
    if not steps:
        return limits.low
    if steps[-1].result is StepResult.INVALID:
        return None if _is_spoiled(steps) else steps[-1].rate
    met, missed = find_bounds(steps)
    if met is None:
        return None
    if missed is None and met < limits.high:
        return min(2 * met, limits.high)
    if missed is None or missed <= met * (1 + RESOLUTION):
        return met if _count_met(steps, met) < CONFIRMATIONS else None
    return _round(math.sqrt(met * missed))


def conclude(
    steps: Sequence[Step], limits: Limits, *, is_interrupted: bool = False, is_gone: bool = False
) -> Capacity:
    """Return what the steps of a search that is over have shown.

    `is_gone` says that the service did not answer any more when the next step was to begin.
    """
    met, missed = find_bounds(steps)
    if is_interrupted:
        end = End.INTERRUPTED
    elif is_gone:
        end = End.GONE
    elif _is_spoiled(steps):
        end = End.GENERATOR
    elif met is None:
        end = End.BELOW_LOW
    else:
        end = End.FOUND if met < limits.high else End.REACHED_HIGH
    return Capacity(rate=met, missed_rate=missed, end=end)


def find_bounds(steps: Sequence[Step]) -> tuple[float | None, float | None]:
    """Return the highest rate that met below the lowest that ever missed, and that one."""
    missed = min((step.rate for step in steps if step.result is StepResult.MISSED), default=None)
    met = max(
        (
            step.rate
            for step in steps
            if step.result is StepResult.MET and (missed is None or step.rate < missed)
        ),
        default=None,
    )
    return met, missed


def seconds_needed(rate: float, *, step_s: float, objectives: Iterable[Objective]) -> int:
    """Return how many seconds a step needs so that every percentile asked for can be told."""
    quantiles = [objective.quantile for objective in objectives]
    samples = max((samples_needed(q) for q in quantiles if q is not None), default=0)
    return math.ceil(max(step_s, SPARE_SAMPLES * samples / rate))


def _is_spoiled(steps: Sequence[Step]) -> bool:
    latest = steps[-MOST_INVALID:]
    return len(latest) == MOST_INVALID and all(
        step.result is StepResult.INVALID and step.rate == latest[0].rate for step in latest
    )


def _count_met(steps: Sequence[Step], rate: float) -> int:
    return sum(step.rate == rate and step.result is StepResult.MET for step in steps)


def _round(rate: float) -> float:
    """Three digits are finer than any search is."""
    return float(f"{rate:.3g}")
