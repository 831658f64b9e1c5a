"""The arguments of the command line, read into settings."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from load_tester.errors import UsageError
from load_tester.schedule import read_schedule
from load_tester.settings import LoadSettings, check_url

Number = TypeVar("Number", int, float)


def read_arguments(arguments: Sequence[str] | None) -> LoadSettings:
    """Return the settings that the arguments ask for; raises UsageError naming the bad one."""
    defaults = LoadSettings()
    given = _create_parser(defaults).parse_args(arguments)
    return LoadSettings(
        url=check_url(given.url),
        images=given.images,
        schedule=defaults.schedule if given.schedule is None else read_schedule(given.schedule),
        max_workers=_checked(given.max_workers, "--max-workers"),
        timeout_s=_checked(given.timeout, "--timeout"),
        pipeline=given.pipeline,
        use_cache=not given.no_cache,
        multipart=given.multipart,
        seed=given.seed,
        out=given.out,
    )


def _create_parser(defaults: LoadSettings) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="load_tester.py",
        description="Replay a schedule of images per second against a service and report.",
        epilog="Exit codes: 0 ok, 1 cannot run, 4 wrong answers, 5 the counts do not add up, "
        "130 interrupted.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--url", default=defaults.url, help="where the service listens (%(default)s)")
    add("--images", type=Path, default=defaults.images, metavar="FOLDER", help="images to send")
    add(
        "--schedule",
        metavar="LIST|FILE",
        help="images per second: 4,8,11 or a CSV, JSON, JSONL or plain file (56 s reference)",
    )
    add(
        "--max-workers",
        type=int,
        default=defaults.max_workers,
        help="uploads under way at once (%(default)s)",
    )
    add(
        "--timeout",
        type=float,
        default=defaults.timeout_s,
        metavar="SECONDS",
        help="per image, from its intended send (%(default)s)",
    )
    add("--pipeline", help="the pipeline to ask for")
    add("--no-cache", action="store_true", help="ask the service not to use its cache")
    add("--multipart", action="store_true", help="send forms instead of raw bytes")
    add(
        "--seed",
        type=int,
        default=defaults.seed,
        help="fixes the order of the images (%(default)s)",
    )
    add("--out", type=Path, metavar="FOLDER", help="receives report.json and raw.jsonl")
    return parser


def _checked(value: Number, flag: str) -> Number:
    if not math.isfinite(value) or value <= 0:
        raise UsageError(f"{flag} must be greater than 0")
    return value


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line, like every other bad argument's."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see --help)")
