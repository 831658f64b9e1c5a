"""``python -m dispatcher cluster``: a whole cluster on this machine until Ctrl-C."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dispatcher.errors import StartupError
from dispatcher.operations.cluster.state import read_state
from dispatcher.operations.cluster.supervisor import Cluster, ClusterPlan
from dispatcher.settings import load_settings

DEFAULT_FOLDER: Final = Path(".conveyor-cluster")
_MOST_WORKERS: Final = 16
_OTHERS: Final = (
    "Flags of the service, such as --model, --replicas or --queue-capacity, are understood as well "
    "(./setup.sh run --help). RabbitMQ and Redis are those of Debian: ./setup.sh servers."
)


def run_cluster_command(argv: Sequence[str]) -> None:
    """Run a cluster until somebody ends it.

    Raises:
        StartupError: it cannot start, or another one runs in its folder.
    """
    logging.getLogger().setLevel(logging.WARNING)  # each member has a log of its own
    given, flags = _parser().parse_known_args(argv)
    settings = load_settings(flags)
    folder: Path = given.folder
    running = read_state(folder)
    if running is not None:
        raise StartupError(f"a cluster runs in {folder} already, at {running.url or 'no address'}")
    blob_url = settings.blob_url.get_secret_value() if settings.blob_url else ""
    plan = ClusterPlan(
        folder,
        workers=given.workers,
        blob_url=blob_url or str((folder / "objects").resolve()),
        settings=settings,
        flags=flags,
    )
    asyncio.run(_run(plan))


async def _run(plan: ClusterPlan) -> None:
    ending, restart = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    loop.add_signal_handler(signal.SIGHUP, restart.set)
    await Cluster(plan, say=_say).run(ending=ending, restart=restart)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./setup.sh cluster",
        description="Run RabbitMQ, Redis, one dispatcher that accepts images and several that work "
        "on them, on this machine, until Ctrl-C.",
        epilog=_OTHERS,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--workers", type=_workers, default=2, metavar="N", help="dispatchers that work (2)"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="DIR",
        help=f"where all of it keeps its data and logs ({DEFAULT_FOLDER})",
    )
    return parser


def _workers(text: str) -> int:
    count = int(text)
    if not 1 <= count <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to {_MOST_WORKERS}")
    return count


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
