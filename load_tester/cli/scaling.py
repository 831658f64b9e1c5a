"""Thread scaling: one picture in grayscale with growing numbers of OpenMP threads."""

import argparse
import asyncio
import logging
import os
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from load_tester.cli import console
from load_tester.cli.command import Command
from load_tester.cli.grayscale import (
    MAX_PASSES,
    MAX_THREADS,
    STEP,
    add_passes_argument,
    ask_for_grayscale,
    check_range,
    read_numbers,
)
from load_tester.cli.live import add_live_arguments, watch
from load_tester.cli.run_arguments import add_image_arguments, check_positive, read_images
from load_tester.cli.scaling_table import render_scaling
from load_tester.cli.target_arguments import add_target_arguments, read_checks, read_targets
from load_tester.engine.conversions import ConversionLoop, Work
from load_tester.engine.recorder import Recorder
from load_tester.errors import ExitCode, UsageError
from load_tester.figures.scaling import Conversion, Law, Scaling, measure_scaling
from load_tester.images import Upload, find_images, load_uploads
from load_tester.record import Outcome
from load_tester.report.picture_files import check_picture_path, write_figures, write_picture
from load_tester.report.printable import join_lines
from load_tester.report.scaling_plot import draw_scaling
from load_tester.session import stop_on_signal
from load_tester.settings import TargetSettings
from load_tester.targets.checks import Checks
from load_tester.targets.opening import open_target

MAX_REPEATS = 1000
_HERE = ("127.", "localhost", "::1")

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalingSettings:
    """What to measure."""

    picture: Path
    threads: tuple[int, ...]
    repeats: int
    passes: int
    timeout_s: float
    """For each conversion."""
    cores: int | None
    """Of the service's machine, None when not known."""
    output: Path
    quiet: bool
    targets: TargetSettings
    checks: Checks


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What came of it."""

    conversions: tuple[Conversion, ...]
    interrupted: bool
    asked: int
    wrong: int
    reason: str | None
    """Why the last one that gave no time did not."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the thread-scaling mode."""
    add = parser.add_argument
    add_image_arguments(parser)
    add("--threads", required=True, metavar="LIST", help="numbers of OpenMP threads: 1,2,4")
    add("--repeats", type=int, default=3, help="conversions with each number (%(default)s)")
    add_passes_argument(parser)
    add("--server-cores", type=int, metavar="N", help="cores of the service's machine")
    add("--timeout", type=float, default=60.0, metavar="SECONDS", help="per image (%(default)s)")
    add(
        "--output",
        type=Path,
        default=Path("scaling.png"),
        metavar="FILE",
        help="the plot; its figures are written beside it as JSON (%(default)s)",
    )
    add_target_arguments(parser)
    add_live_arguments(parser)


def run(given: argparse.Namespace) -> ExitCode:
    """Measure, write the plot and the figures, print the table; return the exit code."""
    settings = read_settings(given)
    check_picture_path(settings.output)
    (upload,) = load_uploads([settings.picture], multipart=False)
    log.info("Thread scaling of %s: %s threads", upload.file, ", ".join(map(str, settings.threads)))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        measured = runner.run(_measure(upload, settings))
    try:
        scaling = measure_scaling(measured.conversions, cores=settings.cores)
    except ValueError as exc:
        told = _explain(measured)
        if not measured.wrong and not measured.interrupted:
            raise UsageError(told) from exc
        console.write_error(told)
        return _choose_exit_code(measured)
    write_scaling(scaling, settings=settings, measured=measured)
    if not measured.interrupted:
        settings.checks.finish()
    return _choose_exit_code(measured)


def write_scaling(scaling: Scaling, *, settings: ScalingSettings, measured: Measured) -> None:
    """Write the figures, print them, and draw the plot.

    Each of them is done even where another cannot be; raises OutputError then.
    """
    title, path = describe_settings(settings), settings.output
    table = render_scaling(scaling, title=title)
    missing = measured.asked - len(measured.conversions)
    if missing:
        table += join_lines([f"  {missing} of {measured.asked} gave no time: {measured.reason}"])
    with ExitStack() as last_first:
        last_first.callback(_draw, path, scaling, title)
        last_first.callback(console.write_out, table)
        figures = describe_scaling(scaling, settings=settings, measured=measured)
        log.info("Wrote %s", write_figures(path, figures))


def read_settings(given: argparse.Namespace) -> ScalingSettings:
    """Return what the arguments ask for; raises UsageError naming the bad one."""
    targets = read_targets(given)
    if len(targets.urls) > 1:
        raise UsageError("thread scaling is measured against one --url")
    picture = choose_picture(read_images(given))
    # Speed-up is against one thread.
    threads = read_numbers(given.threads, "--threads", most=MAX_THREADS)
    cores = given.server_cores
    if cores is not None:
        check_range(cores, "--server-cores", most=10_000)
    elif (urlsplit(targets.urls[0]).hostname or "").startswith(_HERE):
        cores = os.cpu_count()
    return ScalingSettings(
        picture=picture,
        threads=tuple(sorted({1, *threads})),
        repeats=check_range(given.repeats, "--repeats", most=MAX_REPEATS),
        passes=check_range(
            1 if given.passes is None else given.passes, "--passes", most=MAX_PASSES
        ),
        timeout_s=check_positive(given.timeout, "--timeout"),
        cores=cores,
        output=given.output,
        quiet=given.quiet,
        targets=targets,
        checks=read_checks(targets, picture),
    )


def choose_picture(path: Path) -> Path:
    """Return the file, or the largest of a folder: the more pixels, the more threads can do."""
    return max(find_images(path), key=lambda file: file.stat().st_size)


def describe_settings(settings: ScalingSettings) -> str:
    """Return what was measured, as a title."""
    return (
        f"Thread scaling of {STEP}: {settings.picture.name}, {settings.passes} passes, "
        f"{settings.repeats} repeats"
    )


def describe_scaling(
    scaling: Scaling, *, settings: ScalingSettings, measured: Measured
) -> dict[str, object]:
    """Return everything that was asked for, measured and computed, for JSON."""
    return {
        "kind": "thread scaling",
        "asked": {
            "picture": settings.picture.name,
            "url": settings.targets.urls[0],
            "pipeline": settings.targets.pipeline,
            "threads": list(settings.threads),
            "repeats": settings.repeats,
            "passes": settings.passes,
            "server_cores": settings.cores,
        },
        "interrupted": measured.interrupted,
        "conversions": [asdict(conversion) for conversion in measured.conversions],
        "points": [asdict(point) for point in scaling.points],
        "amdahl": _describe_law(scaling.amdahl),
        "usl": _describe_law(scaling.usl),
        "notes": list(scaling.notes),
    }


def _explain(measured: Measured) -> str:
    """Say why there is nothing to compare with."""
    time = f"time of {STEP} with one thread"
    if measured.interrupted:
        return f"interrupted before there was a {time}"
    return f"no {time}: {measured.reason}"


def _draw(path: Path, scaling: Scaling, title: str) -> None:
    write_picture(path, draw_scaling(scaling, title=title))
    log.info("Wrote %s", path)


async def _measure(upload: Upload, settings: ScalingSettings) -> Measured:
    recorder = Recorder()
    async with AsyncExitStack() as stack:
        works = {}
        for threads in settings.threads:
            params = {"threads": threads, "passes": settings.passes}
            asked = ask_for_grayscale(settings.targets, params)
            opened = open_target(asked, checks=settings.checks)
            target = await stack.enter_async_context(opened)
            works[threads] = Work(target.choose(0), upload)
            await target.check_reachable()
        loop = ConversionLoop(
            works, repeats=settings.repeats, recorder=recorder, timeout_s=settings.timeout_s
        )
        with watch(recorder, planned=(), total=loop.total, quiet=settings.quiet):
            interrupted = await loop.run(stop_on_signal())
    bad = [record.reason for record in recorder.records if record.outcome is not Outcome.OK]
    return Measured(
        conversions=tuple(loop.conversions),
        interrupted=interrupted,
        asked=loop.total,
        wrong=recorder.ended[Outcome.WRONG],
        reason=bad[-1] if bad else "the service told no timings",
    )


def _describe_law(law: Law | None) -> dict[str, object] | None:
    if law is None:
        return None
    return {**asdict(law), "peak_threads": law.peak_threads, "most_speed_up": law.most_speed_up}


def _choose_exit_code(measured: Measured) -> ExitCode:
    if measured.wrong:
        return ExitCode.WRONG_ANSWERS
    return ExitCode.INTERRUPTED if measured.interrupted else ExitCode.OK


COMMAND = Command(
    "Time the grayscale step with growing numbers of threads; fit Amdahl's law and the USL.",
    add_arguments,
    run,
)
