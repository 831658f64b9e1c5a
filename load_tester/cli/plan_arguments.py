"""The flags that say what is sent when, read into a plan."""

import argparse
import math
from fractions import Fraction

from load_tester.cli.run_arguments import check_seed
from load_tester.errors import ScheduleError, UsageError
from load_tester.plan.arrivals import Arrivals, plan_demand
from load_tester.plan.curves import (
    CURVES,
    DEFAULT_DURATION_S,
    DEFAULT_SPAWN_RATE,
    DEFAULT_USERS,
)
from load_tester.plan.custom import draw_curve
from load_tester.plan.demand import Counts, Demand, Moments
from load_tester.plan.plan import Plan
from load_tester.plan.reshaping import Reshaping, read_factor, reshape
from load_tester.plan.schedule import DEFAULT_SCHEDULE, read_schedule
from load_tester.plan.traces import TRACES, read_trace

_CURVE_FLAGS = {"users": "--users", "duration": "--duration", "spawn_rate": "--spawn-rate"}


def add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every flag that says what is sent when."""
    group = parser.add_argument_group("what is sent when")
    source = group.add_mutually_exclusive_group()
    source.add_argument(
        "--schedule",
        metavar="LIST|FILE",
        help="images per second: 4,8,11 or a CSV, JSON, JSONL or plain file, which may hold"
        " timestamps instead (the reference's 56 seconds)",
    )
    source.add_argument(
        "--curve",
        metavar="CURVE",
        help=f"{', '.join(CURVES)}; '=EXPRESSION' of t, users, duration, pi and functions of"
        " math; or FILE.py:FUNCTION of t, users, duration",
    )
    source.add_argument(
        "--trace", metavar="KIND:FILE", help=f"what others recorded; kinds: {', '.join(TRACES)}"
    )
    _add_curve_arguments(group)
    _add_reshaping_arguments(group)
    group.add_argument(
        "--arrivals",
        type=Arrivals,
        choices=list(Arrivals),
        help="how the images of one second lie within it (even)",
    )
    group.add_argument(
        "--seed",
        type=int,
        default=0,
        help="fixes the order of the images and every random moment (%(default)s)",
    )


def read_plan(given: argparse.Namespace) -> Plan:
    """Return the plan that the flags ask for; raises UsageError or ScheduleError."""
    demand = _read_demand(given)
    if isinstance(demand, Moments) and given.arrivals is not None:
        raise UsageError("--arrivals has no meaning where the moment of each image is given")
    reshaped = reshape(demand, read_reshaping(given))
    return plan_demand(
        reshaped, arrivals=given.arrivals or Arrivals.EVEN, seed=check_seed(given.seed)
    )


def read_reshaping(given: argparse.Namespace) -> Reshaping:
    """Return what the flags make of the images asked for; raises UsageError."""
    if given.repeat < 1:
        raise UsageError("--repeat must be 1 or more")
    if given.from_second < 0:
        raise UsageError("--from-second must be 0 or more")
    if given.limit_seconds is not None and given.limit_seconds < 1:
        raise UsageError("--limit-seconds must be 1 or more")
    return Reshaping(
        from_second=given.from_second,
        limit_seconds=given.limit_seconds,
        time=_named(given.scale_time, "--scale-time"),
        rate=_named(given.scale_rate, "--scale-rate"),
        repeat=given.repeat,
    )


def _add_curve_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--users",
        type=float,
        metavar="N",
        help=f"most users of a curve, one image a second each ({DEFAULT_USERS:g})",
    )
    group.add_argument(
        "--duration",
        type=float,
        metavar="SECONDS",
        help=f"how long a curve takes ({DEFAULT_DURATION_S:g}; a custom one needs it)",
    )
    group.add_argument(
        "--spawn-rate",
        type=float,
        metavar="N",
        help="users a second that a curve adds at most"
        f" ({DEFAULT_SPAWN_RATE:g}; without bound for a custom one)",
    )


def _add_reshaping_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--scale-rate", default="1", metavar="F", help="F times as many images in the same time"
    )
    group.add_argument(
        "--scale-time", default="1", metavar="F", help="the same images in F times the time"
    )
    group.add_argument("--repeat", type=int, default=1, metavar="N", help="all of it N times over")
    group.add_argument(
        "--from-second", type=int, default=0, metavar="N", help="leave out the first N seconds"
    )
    group.add_argument(
        "--limit-seconds", type=int, metavar="N", help="of the rest send only N seconds"
    )


def _read_demand(given: argparse.Namespace) -> Demand:
    if given.curve is not None:
        return _read_curve(given)
    for name, flag in _CURVE_FLAGS.items():
        if getattr(given, name) is not None:
            raise UsageError(f"{flag} belongs to a curve: --curve is missing")
    if given.trace is not None:
        return read_trace(given.trace)
    if given.schedule is not None:
        return read_schedule(given.schedule)
    return Counts(source="default schedule", per_second=DEFAULT_SCHEDULE)


def _read_curve(given: argparse.Namespace) -> Demand:
    for name, flag in _CURVE_FLAGS.items():
        value = getattr(given, name)
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"{flag} must be greater than 0")
    curve = draw_curve(
        given.curve,
        users=DEFAULT_USERS if given.users is None else given.users,
        duration_s=given.duration,
        spawn_rate=given.spawn_rate,
    )
    return Counts(source=f"curve {given.curve}", per_second=curve.images_per_second())


def _named(text: str, flag: str) -> Fraction:
    try:
        return read_factor(text)
    except ScheduleError as exc:
        raise UsageError(f"{flag} is {exc}") from exc
