"""The flags of the benchmark mode, and how many images at once they allow."""

import argparse
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from load_tester.cli.grayscale import (
    add_work_arguments,
    check_range,
    read_numbers,
    read_work,
)
from load_tester.cli.live import add_live_arguments
from load_tester.cli.run_arguments import (
    add_image_arguments,
    check_positive,
    check_seed,
    read_images,
)
from load_tester.cli.target_arguments import add_target_arguments, read_checks, read_targets
from load_tester.errors import UsageError
from load_tester.generator.scraper import metrics_url
from load_tester.settings import RunSettings, TargetSettings, check_url
from load_tester.targets.checks import Checks

# The reference's own caps, which protect its queue.
FEW_IMAGES = 20
CAP_FEW, CAP_MANY = 5, 3
SAFER_CAP = 2
SAFER_DELAY_S = 0.5
MOST_IMAGES = 100_000
MOST_AT_ONCE = 1_000
MOST_RETRIES = 100

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkSettings:
    """What a benchmark was asked to do."""

    counts: tuple[int, ...]
    concurrency: int
    forced: bool
    """Whether the caps are off."""
    safer: bool
    """Whether the cap is lower, workers pause, and counts wait for an empty queue."""
    delay_s: float
    """Between the images of one worker."""
    retries: int
    output: Path
    metrics_url: str
    quiet: bool
    target: TargetSettings
    run: RunSettings
    checks: Checks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the benchmark mode."""
    add = parser.add_argument
    add_image_arguments(parser)
    add("--counts", required=True, metavar="LIST", help="how many images to ask for: 1,5,10,20")
    add("--concurrency", type=int, default=4, metavar="N", help="images at once (%(default)s)")
    add(
        "--force-concurrency",
        action="store_true",
        help=f"without the caps of {CAP_FEW} at once for up to {FEW_IMAGES} images and "
        f"{CAP_MANY} for more",
    )
    add(
        "--safer",
        action="store_true",
        help=f"at most {SAFER_CAP} at once, {SAFER_DELAY_S:g} s between the images of a worker, "
        "and no count before the service's queue is empty",
    )
    add(
        "--output",
        type=Path,
        default=Path("benchmark.png"),
        metavar="FILE",
        help="the four panels; their figures are written beside them as JSON (%(default)s)",
    )
    add_work_arguments(parser)
    add("--delay", type=float, metavar="SECONDS", help="between the images of a worker (0)")
    add("--timeout", type=float, default=60.0, metavar="SECONDS", help="per image (%(default)s)")
    add("--retries", type=int, default=3, help="further tries of an image (%(default)s)")
    add("--seed", type=int, default=0, help="fixes the order of the images (%(default)s)")
    add("--metrics-url", metavar="URL", help="where the service shows its metrics (/metrics)")
    add("--out", type=Path, metavar="FOLDER", help="receives a whole report for each count")
    add_target_arguments(parser)
    add_live_arguments(parser)


def read_settings(given: argparse.Namespace) -> BenchmarkSettings:
    """Return what the arguments ask for; raises UsageError naming the bad one."""
    if given.safer and given.force_concurrency:
        raise UsageError("--safer and --force-concurrency exclude each other")
    # Answers from a cache would tell of the cache.
    target = replace(read_work(given, read_targets(given)), use_cache=False)
    images = read_images(given)
    return BenchmarkSettings(
        counts=read_numbers(given.counts, "--counts", most=MOST_IMAGES),
        concurrency=check_range(given.concurrency, "--concurrency", most=MOST_AT_ONCE),
        forced=given.force_concurrency,
        safer=given.safer,
        delay_s=_read_delay(given),
        retries=given.retries and check_range(given.retries, "--retries", most=MOST_RETRIES),
        output=given.output,
        metrics_url=check_url(given.metrics_url or metrics_url(target.urls[0])),
        quiet=given.quiet,
        target=target,
        run=RunSettings(
            images=images,
            timeout_s=check_positive(given.timeout, "--timeout"),
            seed=check_seed(given.seed),
            out=given.out,
        ),
        checks=read_checks(target, images),
    )


def choose_concurrency(settings: BenchmarkSettings, *, count: int) -> int:
    """Return how many images at once a count is given; never more than it has."""
    asked = min(settings.concurrency, count)
    if settings.forced:
        return asked
    cap = CAP_FEW if count <= FEW_IMAGES else CAP_MANY
    return min(asked, cap, SAFER_CAP) if settings.safer else min(asked, cap)


def warn_of_caps(settings: BenchmarkSettings) -> None:
    """Say what the caps change, or what may happen without them."""
    if settings.forced:
        log.warning(
            "Using the full requested concurrency of %d: this may overload the service",
            settings.concurrency,
        )
        return
    for count in settings.counts:
        allowed = choose_concurrency(settings, count=count)
        if allowed < min(settings.concurrency, count):
            log.info("%d images: %d at once instead of %d", count, allowed, settings.concurrency)


def _read_delay(given: argparse.Namespace) -> float:
    if given.delay is None:
        return SAFER_DELAY_S if given.safer else 0.0
    return given.delay and check_positive(float(given.delay), "--delay")
