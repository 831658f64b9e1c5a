"""The benchmark: the same work with growing counts of images, closed loop, as four panels."""

import argparse
import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import uvloop

from load_tester.cli import console
from load_tester.cli.benchmark_arguments import (
    BenchmarkSettings,
    add_arguments,
    choose_concurrency,
    read_settings,
    warn_of_caps,
)
from load_tester.cli.benchmark_table import render_points
from load_tester.cli.closed import NOTE, Errand, order_requests
from load_tester.cli.command import Command, describe_command
from load_tester.cli.conclusion import choose_exit_code, write_files
from load_tester.cli.live import watch
from load_tester.engine.recorder import Recorder
from load_tester.errors import ExitCode, UnreachableError
from load_tester.figures.objectives import check_objectives
from load_tester.figures.panels import BenchmarkPoint, average_metrics, measure_point
from load_tester.figures.summary import summarize
from load_tester.figures.verdict import judge
from load_tester.generator.bystander import Bystander, open_bystander
from load_tester.report.panels import draw_panels
from load_tester.report.picture_files import check_picture_path, write_figures, write_picture
from load_tester.report.whole import prepare_folder
from load_tester.run import Run
from load_tester.session import Cargo, Session, carry_out, load_cargo, stop_on_signal

# The gravest first, as for a single run.
_GRAVITY = (
    ExitCode.COUNTS_DIFFER,
    ExitCode.WRONG_ANSWERS,
    ExitCode.INTERRUPTED,
    ExitCode.CANNOT_RUN,
    ExitCode.GENERATOR_INVALID,
    ExitCode.OBJECTIVE_MISSED,
)
CALM_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One count of the benchmark: its run and the figures of it."""

    run: Run
    point: BenchmarkPoint


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """The counts that were reached, and why the others were not when the service went away."""

    steps: tuple[Step, ...]
    lost: str | None = None


def run(given: argparse.Namespace) -> ExitCode:
    """Run every count, write the panels and the figures, print the table; return the exit code."""
    settings = read_settings(given)
    check_picture_path(settings.output)
    out = settings.run.out
    if out is not None:
        prepare_folder(out)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        reached = runner.run(run_benchmark(settings))
    steps = reached.steps
    if not steps:
        console.write_error("interrupted before the first count was begun")
        return ExitCode.INTERRUPTED
    write_benchmark(steps, settings)
    codes = [_judge(step.run) for step in steps]
    is_whole = len(steps) == len(settings.counts) and not steps[-1].run.interrupted
    if is_whole:
        settings.checks.finish()
    if reached.lost is not None:
        console.write_error(reached.lost)
        codes.append(ExitCode.CANNOT_RUN)
    return choose_gravest(codes)


def write_benchmark(steps: Sequence[Step], settings: BenchmarkSettings) -> None:
    """Write the figures, print them, write the reports of the counts, and draw the panels.

    Each of them is done even where another cannot be; raises OutputError then.
    """
    points, title = [step.point for step in steps], describe_settings(settings)
    with ExitStack() as last_first:
        last_first.callback(_draw, settings.output, points, title)
        for step in reversed(steps if settings.run.out is not None else ()):
            last_first.callback(_write_report, step, settings)
        last_first.callback(console.write_out, f"{render_points(points, title=title)}{NOTE}\n")
        figures = write_figures(settings.output, describe_benchmark(steps, settings=settings))
        log.info("Wrote %s", figures)


def _draw(path: Path, points: Sequence[BenchmarkPoint], title: str) -> None:
    write_picture(path, draw_panels(points, title=title))
    log.info("Wrote %s", path)


def _write_report(step: Step, settings: BenchmarkSettings) -> None:
    assert settings.run.out is not None
    write_files(step.run, settings.run.out / f"{step.point.count}-images")


async def run_benchmark(settings: BenchmarkSettings) -> Reached:
    """Run the counts in their order until done or interrupted; return what was reached.

    Raises UnreachableError when nothing answers at the beginning.
    """
    stop, steps = stop_on_signal(), list[Step]()
    warn_of_caps(settings)
    session = _create_session(settings)
    cargo = load_cargo(session, count=max(settings.counts))
    async with open_bystander(settings.target, metrics_url=settings.metrics_url) as bystander:
        await bystander.check_reachable()
        benchmark = Benchmark(settings, session=session, cargo=cargo, bystander=bystander)
        for number, count in enumerate(settings.counts, start=1):
            if settings.safer and steps:
                await wait_until_calm(bystander, stop)
            if stop.is_set():
                break
            log.info("Benchmark %d of %d: %d images", number, len(settings.counts), count)
            try:
                steps.append(await benchmark.run_count(count, stop))
            except UnreachableError as exc:
                if not steps:
                    raise
                return Reached(steps=tuple(steps), lost=str(exc))
    return Reached(steps=tuple(steps))


async def wait_until_calm(
    bystander: Bystander,
    stop: asyncio.Event,
    *,
    pause_s: float = CALM_PAUSE_S,
    longest_s: float = LONGEST_PAUSE_S,
) -> None:
    """Return when the service has nothing waiting, when `stop` is set, or after `longest_s`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(longest_s):
            while not stop.is_set() and await bystander.is_busy():
                log.info("The service is busy; waiting")
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause_s)


class Benchmark:
    """Runs one count after the other against the same target, with the same images."""

    def __init__(
        self,
        settings: BenchmarkSettings,
        *,
        session: Session,
        cargo: Cargo,
        bystander: Bystander,
    ) -> None:
        self._settings = settings
        self._session = session
        self._cargo = cargo
        self._bystander = bystander

    async def run_count(self, count: int, stop: asyncio.Event) -> Step:
        """Ask for `count` images and return what came of it."""
        settings = self._settings
        concurrency = choose_concurrency(settings, count=count)
        errand = Errand(
            requests=count,
            concurrency=concurrency,
            delay_s=settings.delay_s,
            retries=settings.retries,
        )

        def show(recorder: Recorder) -> AbstractContextManager[object]:
            return watch(recorder, planned=(), total=count, quiet=settings.quiet)

        session = replace(self._session, show=show)
        order = order_requests(session, errand, self._cargo)
        before = await self._bystander.read_metrics()
        run = await carry_out(session, order, self._cargo, stop=stop)
        metrics_s = average_metrics(before, await self._bystander.read_metrics())
        point = measure_point(run, count=count, concurrency=concurrency, metrics_s=metrics_s)
        return Step(run=run, point=point)


def describe_settings(settings: BenchmarkSettings) -> str:
    """Return what was measured, as a title."""
    caps = "forced" if settings.forced else "safer" if settings.safer else "capped"
    return (
        f"Benchmark of {settings.target.urls[0]}: {settings.run.images.name}, "
        f"concurrency {settings.concurrency} ({caps})"
    )


def describe_benchmark(steps: Sequence[Step], *, settings: BenchmarkSettings) -> dict[str, object]:
    """Return everything that was asked for and computed, for JSON; durations in seconds."""
    return {
        "kind": "benchmark",
        "asked": {
            "images": settings.run.images.name,
            "urls": list(settings.target.urls),
            "pipeline": settings.target.pipeline,
            "params": settings.target.params,
            "operations": settings.target.operations,
            "counts": list(settings.counts),
            "concurrency": settings.concurrency,
            "forced": settings.forced,
            "safer": settings.safer,
            "delay_s": settings.delay_s,
            "retries": settings.retries,
            "timeout_s": settings.run.timeout_s,
        },
        "interrupted": any(step.run.interrupted for step in steps)
        or len(steps) < len(settings.counts),
        "note": NOTE,
        "points": [asdict(step.point) | {"success": step.point.success} for step in steps],
    }


def choose_gravest(codes: Sequence[ExitCode]) -> ExitCode:
    """Return the gravest of the exit codes of single runs."""
    return next((code for code in _GRAVITY if code in codes), ExitCode.OK)


def _judge(run: Run) -> ExitCode:
    return choose_exit_code(summarize(run), judge(run), check_objectives(run))


def _create_session(settings: BenchmarkSettings) -> Session:
    return Session(
        target=settings.target,
        run=settings.run,
        show=lambda _: nullcontext(),
        checks=settings.checks,
        self_check=False,
        metrics_url=settings.metrics_url,
        command=describe_command(),
    )


COMMAND = Command(
    "Ask for growing counts of images, closed loop; draw latency, throughput and the server.",
    add_arguments,
    run,
)
