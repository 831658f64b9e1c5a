"""The flags of the capacity search, read into settings."""

import argparse
from dataclasses import dataclass

from load_tester.cli.live import add_live_arguments
from load_tester.cli.objective_arguments import add_objective_arguments
from load_tester.cli.run_arguments import add_run_arguments, check_positive
from load_tester.cli.target_arguments import add_target_arguments
from load_tester.errors import UsageError

DEFAULT_LOW = 8.0
DEFAULT_STEP_S = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSettings:
    """How the search goes; rates in images a second."""

    low: float
    high: float | None
    step_s: float
    quiet: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every flag of the `capacity` command."""
    add_target_arguments(parser)
    add_run_arguments(parser)
    add_objective_arguments(parser)
    add_live_arguments(parser)
    add = parser.add_argument_group("search").add_argument
    add("--low", type=float, default=DEFAULT_LOW, metavar="RATE", help="first rate (%(default)g)")
    add("--high", type=float, metavar="RATE", help="last rate (70 %% of what this generator can)")
    add(
        "--step-s",
        type=float,
        default=DEFAULT_STEP_S,
        metavar="SECONDS",
        help="each step takes so long, or longer where a percentile needs it (%(default)g)",
    )
    add("--seed", type=int, default=0, help="fixes images and moments (%(default)s)")


def read_search(given: argparse.Namespace) -> SearchSettings:
    """Return the settings of the search; raises UsageError naming the bad flag."""
    low = check_positive(given.low, "--low")
    high = None if given.high is None else check_positive(given.high, "--high")
    if high is not None and high < low:
        raise UsageError("--high must not be below --low")
    if not given.slo:
        raise UsageError("capacity needs --slo: what the service must show, such as 'p95<300ms'")
    step_s = check_positive(given.step_s, "--step-s")
    return SearchSettings(low=low, high=high, step_s=step_s, quiet=given.quiet)
