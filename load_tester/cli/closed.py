"""Closed loop: so many requests by so many workers, as reference system (e) tests itself."""

import argparse
import asyncio
import hashlib
import logging
import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import uvloop

from load_tester.cli import console
from load_tester.cli.command import Command, describe_command
from load_tester.cli.conclusion import conclude
from load_tester.cli.grayscale import add_work_arguments, check_range, read_work
from load_tester.cli.live import add_live_arguments, watch
from load_tester.cli.objective_arguments import add_objective_arguments, read_objective_arguments
from load_tester.cli.run_arguments import (
    add_image_arguments,
    check_positive,
    check_seed,
    read_images,
)
from load_tester.cli.target_arguments import add_target_arguments, read_checks, read_targets
from load_tester.engine.closed_loop import ClosedLoop
from load_tester.engine.recorder import Recorder
from load_tester.errors import ExitCode, UsageError
from load_tester.report.whole import prepare_folder
from load_tester.run import Mode, Run
from load_tester.session import Cargo, Order, Session, carry_out, load_cargo, measure_own_ceiling
from load_tester.settings import RunSettings
from load_tester.targets.base import Target

DEFAULT_CONCURRENCY = 1
DEFAULT_TIMEOUT_S = 60.0
DEFAULT_RETRIES = 3
MAX_REQUESTS = 1_000_000
MAX_CONCURRENCY = 10_000
MAX_RETRIES = 100
NOTE = (
    "Closed loop: a worker sends its next image when its last one has ended. What users would "
    "have waited while the service was slow is not in these latencies; a replay shows it."
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Errand:
    """What the workers are to do."""

    requests: int
    concurrency: int
    delay_s: float
    retries: int

    def digest(self) -> str:
        """Return what two runs have in common that were asked for the same."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every flag of the closed loop."""
    _add_errand_arguments(parser)
    add_image_arguments(parser)
    add_work_arguments(parser)
    add_target_arguments(parser)
    add_objective_arguments(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="receives the report and the raw file"
    )
    add_live_arguments(parser)


def _add_errand_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("closed loop").add_argument
    add("--count", type=int, required=True, metavar="N", help="requests to send")
    add(
        "--concurrency",
        type=int,
        default=DEFAULT_CONCURRENCY,
        metavar="C",
        help="workers that send them, each one at a time (%(default)s)",
    )
    add(
        "--delay",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="a worker's pause between two requests (%(default)g)",
    )
    add(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT_S,
        metavar="SECONDS",
        help="for one attempt, from its send (%(default)g)",
    )
    add(
        "--retries",
        type=int,
        default=DEFAULT_RETRIES,
        metavar="R",
        help="further attempts at a request that failed, each a record of its own (%(default)s)",
    )
    add("--seed", type=int, default=0, help="fixes the order of the images (%(default)s)")
    add("--debug", action="store_true", help="print every step of every request")


def run(given: argparse.Namespace) -> ExitCode:
    """Send the requests and say what happened."""
    errand = read_errand(given)
    session = _read_session(given, errand)
    if session.run.out is not None:
        prepare_folder(session.run.out)
    if given.debug:
        logging.getLogger(console.LOGGER).setLevel(logging.DEBUG)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        done = runner.run(_send_all(session, errand))
    try:
        code = conclude(done, out=session.run.out)
    finally:
        console.write_out(f"{NOTE}\n")
    if not done.interrupted:
        session.checks.finish()
    return code


def read_errand(given: argparse.Namespace) -> Errand:
    """Return what the flags ask the workers to do; raises UsageError naming the bad flag."""
    if given.debug and given.quiet:
        raise UsageError("--debug and --quiet exclude each other")
    if not 0 <= given.retries <= MAX_RETRIES:
        raise UsageError(f"--retries must be from 0 to {MAX_RETRIES}")
    if not math.isfinite(given.delay) or given.delay < 0:
        raise UsageError("--delay must be 0 or more seconds")
    return Errand(
        requests=check_range(given.count, "--count", most=MAX_REQUESTS),
        concurrency=check_range(given.concurrency, "--concurrency", most=MAX_CONCURRENCY),
        delay_s=given.delay,
        retries=given.retries,
    )


def _read_session(given: argparse.Namespace, errand: Errand) -> Session:
    watched = read_objective_arguments(given)
    target = read_work(given, read_targets(given))
    images = read_images(given)

    def show(recorder: Recorder) -> AbstractContextManager[object]:
        if given.debug:
            return nullcontext()
        return watch(recorder, planned=(), total=errand.requests, quiet=given.quiet)

    return Session(
        target=target,
        run=RunSettings(
            images=images,
            max_workers=None,
            timeout_s=check_positive(given.timeout, "--timeout"),
            seed=check_seed(given.seed),
            warm_up_s=watched.warm_up_s,
            out=given.out,
        ),
        show=show,
        checks=read_checks(target, images),
        objectives=watched.objectives,
        self_check=watched.self_check,
        metrics_url=watched.metrics_url,
        command=describe_command(),
    )


async def _send_all(session: Session, errand: Errand) -> Run:
    cargo = load_cargo(session, count=errand.requests)
    ceiling = await measure_own_ceiling(session, cargo)
    log.info(
        "Starting closed loop - %d requests by %d workers", errand.requests, errand.concurrency
    )
    return await carry_out(session, order_requests(session, errand, cargo), cargo, ceiling=ceiling)


def order_requests(session: Session, errand: Errand, cargo: Cargo) -> Order:
    """Return the closed loop as a run to be done."""

    async def work(target: Target, recorder: Recorder, stop: asyncio.Event) -> bool:
        loop = ClosedLoop(
            target,
            requests=errand.requests,
            concurrency=errand.concurrency,
            uploads=cargo.uploads,
            recorder=recorder,
            timeout_s=session.run.timeout_s,
            delay_s=errand.delay_s,
            retries=errand.retries,
        )
        return await loop.run(stop)

    return Order(
        mode=Mode.CLOSED,
        planned=(errand.requests,),
        source=f"{errand.requests} requests by {errand.concurrency} workers",
        digest=errand.digest(),
        work=work,
    )


COMMAND = Command(
    "Send a number of requests by a number of workers, each one at a time, and report.",
    add_arguments,
    run,
)
