"""The arguments of ``python -m dispatcher queue``."""

import argparse
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dispatcher.operations.choosing import Choice
from dispatcher.operations.target import OperationError
from dispatcher.settings import load_settings

API_KEY_VARIABLE: Final = "CONVEYOR_API_KEY"
_LONGEST_KEY: Final = 512
_SHORTEST_INTERVAL_S: Final = 0.2
_OTHERS: Final = (
    "Flags of the service, such as --data-dir or --queue rabbitmq with its URLs, say which queue "
    "is meant; they are taken from the environment, too (./setup.sh run --help). A service that "
    "runs is asked; when none does, the command opens the stores itself. "
    f"The API key, of scope admin, is in {API_KEY_VARIABLE} or in a file."
)


def read_arguments(argv: Sequence[str]) -> tuple[argparse.Namespace, Choice]:
    """Return what to do, and whom to ask.

    Raises:
        StartupError: a flag of the service has a value that cannot be.
        OperationError: there is no API key where it should be.
    """
    given, others = _parser().parse_known_args(argv)
    choice = Choice(
        load_settings(others),
        url=given.url,
        is_direct=given.direct,
        api_key=read_api_key(given.api_key_file),
    )
    return given, choice


def read_api_key(path: Path | None) -> str | None:
    """Return the key of a file, else of the environment; no message repeats it.

    Raises:
        OperationError: there is none in it.
    """
    if path is None:
        key, place = os.environ.get(API_KEY_VARIABLE, "").strip(), API_KEY_VARIABLE
        if not key:
            return None
    else:
        try:
            key, place = path.read_text(encoding="utf-8").strip(), str(path)
        except (OSError, UnicodeDecodeError) as exc:
            cause = getattr(exc, "strerror", None) or "it is not text"
            raise OperationError(f"cannot read the API key from {path}: {cause}") from exc
    if not key or len(key) > _LONGEST_KEY or not all("!" <= char <= "~" for char in key):
        raise OperationError(f"{place} does not hold an API key: one word of ASCII")
    return key


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./setup.sh queue",
        description="Look at the queue, empty it, and repeat what has failed.",
        epilog=_OTHERS,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    status = _verb(verbs, "status", "what waits and is in work, lane by lane, and what has failed")
    status.add_argument("--json", action="store_true", help="as JSON")
    monitor = _verb(verbs, "monitor", "the same again and again, until Ctrl-C")
    monitor.add_argument("--json", action="store_true", help="as a line of JSON each time")
    monitor.add_argument(
        "--interval", type=_seconds, default=2.0, metavar="S", help="seconds in between (2)"
    )
    purge = _verb(verbs, "purge", "cancel the jobs that wait; what is in work goes on")
    _add_selection(purge)
    purge.add_argument(
        "--failed",
        action="store_true",
        help="instead, drop the failed jobs that are kept, with their images",
    )
    purge.add_argument("--yes", action="store_true", help="do not ask")
    requeue = _verb(verbs, "requeue", "repeat failed jobs as new ones, each of them once")
    _add_selection(requeue)
    requeue.add_argument("--limit", type=_count, metavar="N", help="at most so many")
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, help_text: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(
        name, help=help_text, description=help_text, epilog=_OTHERS, allow_abbrev=False
    )
    whom = verb.add_mutually_exclusive_group()
    whom.add_argument("--url", help="ask the service at this address, and nobody else")
    whom.add_argument(
        "--direct", action="store_true", help="ask no service: open RabbitMQ's stores beside it"
    )
    verb.add_argument("--api-key-file", type=Path, metavar="FILE", help="holds the API key")
    return verb


def _add_selection(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--lane", metavar="PIPELINE", help="only jobs of this pipeline")
    verb.add_argument("--code", help="only what has failed with this code, such as poison")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (seconds >= _SHORTEST_INTERVAL_S and math.isfinite(seconds)):
        raise argparse.ArgumentTypeError(f"at least {_SHORTEST_INTERVAL_S} seconds")
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("a whole number from 1")
    return count
