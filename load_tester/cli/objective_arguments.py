"""The flags on what a run must show, and on how it watches itself and the service."""

import argparse
import math
from dataclasses import dataclass

from load_tester.errors import UsageError
from load_tester.figures.objectives import read_objectives
from load_tester.settings import check_url


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveSettings:
    """What a run must show, and what is watched meanwhile."""

    objectives: tuple[str, ...] = ()
    """As they were written, one each; all of them can be read."""
    warm_up_s: float = 0.0
    self_check: bool = True
    """Whether the generator's ceiling is measured before the run."""
    metrics_url: str | None = None
    """Where the service shows its metrics; at its usual place when None."""


def add_objective_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that `read_objective_arguments` reads."""
    group = parser.add_argument_group("objectives and self-check")
    group.add_argument(
        "--slo",
        action="append",
        default=[],
        metavar="LIST",
        help="what the run must show, such as 'p95<300ms,error<0.1%%,wrong==0,goodput>=90/s'; "
        "what is missed, or cannot be shown, ends in exit code 2",
    )
    group.add_argument(
        "--warm-up",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="leave images due in the first seconds out of latencies and objectives (%(default)g)",
    )
    group.add_argument(
        "--no-self-check",
        action="store_true",
        help="do not measure what this load tester can do at most before the run",
    )
    group.add_argument(
        "--metrics-url",
        metavar="URL",
        help="where the service shows its Prometheus metrics (/metrics at the first --url)",
    )


def read_objective_arguments(given: argparse.Namespace) -> ObjectiveSettings:
    """Return the settings; raises UsageError naming what cannot be read."""
    warm_up_s = float(given.warm_up)
    if not math.isfinite(warm_up_s) or warm_up_s < 0:
        raise UsageError("--warm-up must be 0 or more seconds")
    return ObjectiveSettings(
        objectives=tuple(objective.text for objective in read_objectives(given.slo)),
        warm_up_s=warm_up_s,
        self_check=not given.no_self_check,
        metrics_url=None if given.metrics_url is None else check_url(given.metrics_url),
    )


def check_warm_up(warm_up_s: float, *, plan_s: float) -> None:
    """Raise UsageError when the warm-up leaves nothing of a plan of `plan_s` seconds."""
    if warm_up_s >= plan_s:
        raise UsageError(f"--warm-up {warm_up_s:g} leaves nothing of a schedule of {plan_s:g} s")
