"""The command line: runs the load test that the arguments describe and says what happened."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from load_tester import console
from load_tester.arguments import read_arguments
from load_tester.client import open_client
from load_tester.errors import ExitCode, ImagesError, UnreachableError, UsageError
from load_tester.images import find_images, load_uploads, pick_images, read_labels
from load_tester.recorder import Recorder
from load_tester.report import Run, prepare_folder, write_report
from load_tester.runner import LoadRunner
from load_tester.settings import LoadSettings
from load_tester.summary import Summary, summarize

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the load test that the arguments describe; return the exit code."""
    console.start_logging()
    try:
        settings = read_arguments(arguments)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            run = runner.run(run_load_test(settings))
        try:
            if settings.out is not None:
                write_report(run, folder=settings.out)
        finally:
            console.write_out(console.render_summary(run.summary))
    except (UsageError, UnreachableError) as exc:
        console.write_error(str(exc))
        return ExitCode.CANNOT_RUN
    except KeyboardInterrupt:
        console.write_error("interrupted")
        return ExitCode.INTERRUPTED
    return choose_exit_code(run.summary)


def choose_exit_code(summary: Summary) -> ExitCode:
    """Return the exit code: the gravest thing that can be said of the run."""
    if summary.counts.find_discrepancies():
        return ExitCode.COUNTS_DIFFER
    if summary.counts.wrong:
        return ExitCode.WRONG_ANSWERS
    if summary.interrupted:
        return ExitCode.INTERRUPTED
    if summary.counts.sent and summary.reasons.get("failed:connection") == summary.counts.sent:
        console.write_error("service unreachable: not one upload was answered")
        return ExitCode.CANNOT_RUN
    return ExitCode.OK


async def run_load_test(settings: LoadSettings) -> Run:
    """Run one load test and return it with its figures.

    Raises UsageError when it cannot start as asked, UnreachableError when nothing answers.
    """
    paths = find_images(settings.images)
    log.info("Found %d image files", len(paths))
    if settings.out is not None:
        prepare_folder(settings.out)
    labels = _labels_or_none(settings.images)
    picked = pick_images(paths, count=sum(settings.schedule), seed=settings.seed)
    uploads = load_uploads(picked, multipart=settings.multipart)
    recorder = Recorder()
    async with open_client(
        settings.url, pipeline=settings.pipeline, use_cache=settings.use_cache
    ) as client:
        await client.check_reachable()
        log.info("Starting load test - Images per second schedule: %s", list(settings.schedule))
        log.info("Max workers: %d", settings.max_workers)
        runner = LoadRunner(
            client,
            schedule=settings.schedule,
            uploads=uploads,
            recorder=recorder,
            max_workers=settings.max_workers,
            timeout_s=settings.timeout_s,
        )
        started_at = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        interrupted = await runner.run(_stop_on_signal())
    summary = summarize(
        recorder.records,
        scheduled=sum(settings.schedule),
        sent=client.uploads,
        labels=labels,
        interrupted=interrupted,
    )
    return Run(
        settings=settings,
        started_at=started_at,
        image_files=len(paths),
        records=recorder.records,
        summary=summary,
    )


def _labels_or_none(folder: Path) -> dict[str, str]:
    """Return the true labels; a table that cannot be read costs the accuracy, not the run."""
    try:
        return read_labels(folder)
    except ImagesError as exc:
        log.warning("No accuracy: %s", exc)
        return {}


def _stop_on_signal() -> asyncio.Event:
    """Return an event that Ctrl-C or a termination signal sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    return stop
