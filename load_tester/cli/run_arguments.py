"""The flags on how a run goes and what it leaves behind, whichever mode it is."""

import argparse
import math
from pathlib import Path
from typing import TypeVar

from load_tester.errors import UsageError
from load_tester.settings import DEFAULT_WORKERS, RunSettings, TargetKind, default_workers

Number = TypeVar("Number", int, float)

# Larger numbers are not kept exactly by every reader of JSON.
MOST_SEED = 2**53 - 1

_DEFAULTS = RunSettings()


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the images to send, by flag or as the only argument without one."""
    parser.add_argument("given_images", nargs="?", type=Path, metavar="IMAGES", help="as --images")
    parser.add_argument(
        "--images",
        type=Path,
        metavar="FILE|FOLDER",
        help="the image, or the folder of images, to send (the project's own)",
    )


def read_images(given: argparse.Namespace) -> Path:
    """Return the file or folder of images; raises UsageError when it was given twice."""
    if given.images is not None and given.given_images is not None:
        raise UsageError("the images were given twice: with and without --images")
    path: Path = given.images or given.given_images or _DEFAULTS.images
    return path


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that `read_run` reads, but the seed, which belongs to the plan."""
    add_image_arguments(parser)
    parser.add_argument(
        "--max-workers",
        type=int,
        metavar="N",
        help="uploads under way at once; 0 for no bound "
        f"({DEFAULT_WORKERS} to a dispatcher, no bound to a replica)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=_DEFAULTS.timeout_s,
        metavar="SECONDS",
        help="per image, from its intended send (%(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="receives the report and the raw file"
    )


def read_run(given: argparse.Namespace, *, kind: TargetKind, warm_up_s: float) -> RunSettings:
    """Return the settings of a run against such a target; raises UsageError naming the bad flag."""
    return RunSettings(
        images=read_images(given),
        max_workers=_read_workers(given.max_workers, kind),
        timeout_s=check_positive(given.timeout, "--timeout"),
        seed=check_seed(given.seed),
        warm_up_s=warm_up_s,
        out=given.out,
    )


def check_seed(seed: int) -> int:
    """Return the seed; raises UsageError for one that is below 0 or too large to be kept."""
    if not 0 <= seed <= MOST_SEED:
        raise UsageError(f"--seed must be from 0 to {MOST_SEED}")
    return seed


def _read_workers(given: int | None, kind: TargetKind) -> int | None:
    """Return how many uploads may be under way at once, None for any number."""
    if given is None:
        return default_workers(kind)
    if given < 0:
        raise UsageError("--max-workers must be 0 or more")
    return given or None


def check_positive(value: Number, flag: str) -> Number:
    """Return the value of a flag; raises UsageError unless it is a number above 0."""
    if not math.isfinite(value) or value <= 0:
        raise UsageError(f"{flag} must be greater than 0")
    return value
