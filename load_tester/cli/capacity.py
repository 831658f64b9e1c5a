"""Finds the highest rate at which a service meets its objectives."""

import argparse
import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import uvloop

from load_tester.cli import console
from load_tester.cli.capacity_arguments import SearchSettings, add_arguments, read_search
from load_tester.cli.capacity_table import (
    TriedStep,
    describe_search,
    describe_step,
    render_search,
)
from load_tester.cli.command import Command, describe_command
from load_tester.cli.live import ENGINE, watch
from load_tester.cli.objective_arguments import read_objective_arguments
from load_tester.cli.run_arguments import read_run
from load_tester.cli.target_arguments import read_checks, read_targets
from load_tester.engine.recorder import Recorder
from load_tester.errors import ExitCode, OutputError, UnreachableError
from load_tester.figures.capacity import (
    Capacity,
    End,
    Limits,
    Step,
    choose_rate,
    conclude,
    judge_step,
    seconds_needed,
)
from load_tester.figures.objectives import read_objectives
from load_tester.figures.summary import summarize
from load_tester.figures.verdict import CEILING_PART
from load_tester.plan.arrivals import Arrivals, make_plan
from load_tester.plan.plan import Plan
from load_tester.report.raw import RAW_FILE, write_raw
from load_tester.report.whole import prepare_folder, write_whole
from load_tester.run import Ceiling
from load_tester.session import (
    Session,
    carry_out,
    load_cargo,
    measure_own_ceiling,
    order_plan,
    stop_on_signal,
)

CAPACITY_FILE: Final = "capacity.json"
# Where the ceiling of the load tester itself is not known.
HIGHEST = 10_000.0
# More images than this are sent in turns.
MOST_IMAGES = 1000
_EXIT_CODES = {
    End.INTERRUPTED: ExitCode.INTERRUPTED,
    End.GONE: ExitCode.CANNOT_RUN,
    End.GENERATOR: ExitCode.GENERATOR_INVALID,
}

log = logging.getLogger(f"{console.LOGGER}.capacity")


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """The steps of a search that is over, and what they come to."""

    tried: tuple[TriedStep, ...]
    capacity: Capacity
    lost: str | None = None
    """Why the next step could not begin, where the service went away."""


def run(given: argparse.Namespace) -> ExitCode:
    """Search, print and write what was found; return the exit code."""
    settings, session = read_search(given), read_session(given)
    out = session.run.out
    if out is not None:
        prepare_folder(out)
    # Each step says once what it sends.
    engine = logging.getLogger(ENGINE)
    level = engine.level
    engine.setLevel(logging.WARNING)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            search = runner.run(find_capacity(settings, session))
    finally:
        engine.setLevel(level)
    try:
        if out is not None:
            write_search(search.tried, search.capacity, out)
    finally:
        console.write_out(render_search(search.tried, search.capacity))
    if search.lost is None and search.capacity.end is not End.INTERRUPTED:
        session.checks.finish()
    if search.lost is not None:
        console.write_error(search.lost)
    return choose_exit_code(search.tried, search.capacity)


def read_session(given: argparse.Namespace) -> Session:
    """Return the session that every step is a run of; raises UsageError."""
    watched = read_objective_arguments(given)
    target = read_targets(given)
    settings = read_run(given, kind=target.kind, warm_up_s=watched.warm_up_s)
    return Session(
        target=target,
        run=settings,
        show=lambda _: nullcontext(),
        checks=read_checks(target, settings.images),
        objectives=watched.objectives,
        self_check=watched.self_check,
        metrics_url=watched.metrics_url,
        command=describe_command(),
    )


async def find_capacity(settings: SearchSettings, session: Session) -> Search:
    """Try rates until it is clear, interrupted or the service gone; return what was found.

    Raises UnreachableError when nothing answers at the beginning.
    """
    stop = stop_on_signal()
    cargo = load_cargo(session, count=MOST_IMAGES)
    ceiling = await measure_own_ceiling(session, cargo)
    limits = choose_limits(settings, ceiling)
    objectives = read_objectives(session.objectives)
    tried, steps, lost = list[TriedStep](), list[Step](), None
    while not stop.is_set() and (rate := choose_rate(steps, limits)) is not None:
        measured_s = seconds_needed(rate, step_s=settings.step_s, objectives=objectives)
        seconds = measured_s + round(session.run.warm_up_s)
        log.info("Step %d: %g images per second for %d s", len(steps) + 1, rate, seconds)
        plan = plan_poisson(rate, seconds=seconds, seed=session.run.seed + len(steps))
        step = _show_plan(session, plan, quiet=settings.quiet)
        order = order_plan(step, plan, cargo)
        try:
            done = await carry_out(step, order, cargo, ceiling=ceiling, stop=stop)
        except UnreachableError as exc:
            if not tried:
                raise
            lost = str(exc)
            break
        if done.interrupted:
            break
        steps.append(Step(rate, judge_step(done)))
        tried.append(TriedStep(step=steps[-1], run=done))
        log.info("%s", describe_step(tried[-1]))
    capacity = conclude(steps, limits, is_interrupted=stop.is_set(), is_gone=lost is not None)
    return Search(tried=tuple(tried), capacity=capacity, lost=lost)


def choose_limits(settings: SearchSettings, ceiling: Ceiling | None) -> Limits:
    """Return between which rates to search: above 70 % of its ceiling no run can be believed."""
    highest = HIGHEST if ceiling is None else float(int(CEILING_PART * ceiling.cycles_per_s))
    high = highest if settings.high is None else settings.high
    return Limits(low=settings.low, high=max(settings.low, high))


def plan_poisson(rate: float, *, seconds: int, seed: int) -> Plan:
    """Return a Poisson process of that rate: the number in each second is drawn as well."""
    per_second = np.random.default_rng(seed).poisson(rate, size=seconds)
    return make_plan(
        [int(count) for count in per_second],
        source=f"poisson {rate:g}/s",
        arrivals=Arrivals.POISSON,
        seed=seed,
    )


def write_search(tried: Sequence[TriedStep], capacity: Capacity, folder: Path) -> None:
    """Write the search as JSON, and each step's raw file; raises OutputError."""
    text = msgspec.json.format(msgspec.json.encode(describe_search(tried, capacity)))
    try:
        write_whole(folder / CAPACITY_FILE, [text, b"\n"])
        for number, one in enumerate(tried, start=1):
            step_folder = folder / f"step-{number:02}-{one.step.rate:g}-per-s"
            step_folder.mkdir(exist_ok=True)
            write_raw(one.run, step_folder / RAW_FILE)
    except OSError as exc:
        raise OutputError(f"cannot write to {folder}: {exc.strerror}") from exc
    log.info("Wrote %s; the report command makes a page of any step", folder / CAPACITY_FILE)


def choose_exit_code(tried: Sequence[TriedStep], capacity: Capacity) -> ExitCode:
    """Return the exit code: the gravest thing that can be said of the search."""
    counts = [summarize(one.run).counts for one in tried]
    if any(count.find_discrepancies() for count in counts):
        return ExitCode.COUNTS_DIFFER
    if any(count.wrong for count in counts):
        return ExitCode.WRONG_ANSWERS
    if capacity.end in _EXIT_CODES:
        return _EXIT_CODES[capacity.end]
    return ExitCode.OBJECTIVE_MISSED if capacity.rate is None else ExitCode.OK


def _show_plan(session: Session, plan: Plan, *, quiet: bool) -> Session:
    """Return the session that shows the sends of this plan."""

    def show(recorder: Recorder) -> AbstractContextManager[object]:
        total = len(plan.moments_s)
        return watch(recorder, planned=plan.per_second, total=total, quiet=quiet)

    return replace(session, show=show)


COMMAND = Command(
    "Find the highest Poisson rate at which the service meets the objectives of --slo.",
    add_arguments,
    run,
)
