"""``python -m dispatcher reset check|purge|restart``, or a menu of them."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dispatcher.errors import StartupError
from dispatcher.operations.asking import confirm
from dispatcher.operations.cluster.command import DEFAULT_FOLDER
from dispatcher.operations.cluster.state import read_state
from dispatcher.operations.reset.compose import find_compose
from dispatcher.operations.reset.local import ClusterStack, ServiceStack
from dispatcher.operations.reset.stack import Stack
from dispatcher.settings import load_settings
from dispatcher.storage.notice import find_running

_OTHERS: Final = (
    "It finds what runs: the containers of docker compose, the cluster of ./setup.sh cluster, or "
    "the service of ./setup.sh run, by its --data-dir. Without a verb it shows a menu."
)


@dataclass(frozen=True, slots=True)
class _Orders:
    """What the command line says."""

    verb: str | None
    is_agreed: bool
    folder: Path
    data_dir: Path


def run_reset_command(argv: Sequence[str]) -> None:
    """Carry out one command, or those that somebody chooses from a menu.

    Raises:
        StartupError: nothing runs, something is not well, or nobody has agreed.
    """
    orders = _read(argv)
    if orders.verb is not None:
        _VERBS[orders.verb](_find(orders), orders.is_agreed)
    elif sys.stdin.isatty():
        _show_menu(orders)
    else:
        raise StartupError("name check, purge or restart: there is no terminal for a menu")


def _find(orders: _Orders) -> Stack:
    """Return what runs.

    Raises:
        StartupError: nothing does.
    """
    compose = find_compose(Path.cwd(), _say)
    if compose is not None:
        return compose
    if read_state(orders.folder) is not None:
        return ClusterStack(orders.folder, _say)
    if find_running(orders.data_dir) is not None:
        return ServiceStack(orders.data_dir, _say)
    raise StartupError(
        f"nothing of Conveyor runs here: no container, no cluster in {orders.folder}, no service "
        f"of {orders.data_dir}; ./setup.sh queue status looks at what is kept"
    )


def _check(stack: Stack, _: bool) -> None:
    """Show what runs and what waits.

    Raises:
        StartupError: something is not well.
    """
    _say(stack.name)
    parts = stack.parts()
    width = max(len(part.name) for part in parts)
    for part in parts:
        _say(f"  {'ok ' if part.is_well else 'BAD'} {part.name:<{width}}  {part.detail}")
    stack.queue(["status"])
    unwell = [part.name for part in parts if not part.is_well]
    if unwell:
        raise StartupError(f"not well: {', '.join(unwell)}")


def _purge(stack: Stack, is_agreed: bool) -> None:
    """Cancel what waits."""
    _say(stack.name)
    stack.queue(["purge", "--yes"] if is_agreed else ["purge"])


def _restart(stack: Stack, is_agreed: bool) -> None:
    """Restart all of it in order."""
    _say(stack.name)
    if not is_agreed:
        confirm(f"{stack.warning} Restart {stack.name}?")
    stack.restart()


def _monitor(stack: Stack, _: bool) -> None:
    """Watch the queue until Ctrl-C."""
    stack.queue(["monitor"])


_Verb = Callable[[Stack, bool], None]
_VERBS: Final[Mapping[str, _Verb]] = {"check": _check, "purge": _purge, "restart": _restart}
_MENU: Final[Mapping[str, tuple[str, _Verb]]] = {
    "1": ("check what runs and what waits", _check),
    "2": ("purge: cancel the jobs that wait", _purge),
    "3": ("restart all of it, in order", _restart),
    "4": ("watch the queue until Ctrl-C", _monitor),
}


def _show_menu(orders: _Orders) -> None:
    """Ask what to do until nobody wants anything any more."""
    while True:
        for number, (meaning, _) in _MENU.items():
            _say(f"{number}) {meaning}")
        sys.stdout.write("q) leave\n> ")
        sys.stdout.flush()
        chosen = sys.stdin.readline()
        if chosen.strip() in ("", "q") or not chosen:
            return
        if chosen.strip() not in _MENU:
            continue
        try:
            _MENU[chosen.strip()][1](_find(orders), False)
        except StartupError as exc:
            _say(f"error: {exc}")
        except KeyboardInterrupt:
            _say("")


def _read(argv: Sequence[str]) -> _Orders:
    parser = argparse.ArgumentParser(
        prog="./setup.sh reset",
        usage="%(prog)s [check|purge|restart] [-h] [--yes] [--folder DIR]",
        description="Look at what runs, empty its queue, or restart it in order.",
        epilog=_OTHERS,
        allow_abbrev=False,
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--folder",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="DIR",
        help=f"of a cluster ({DEFAULT_FOLDER})",
    )
    # Not by the parser: it would take the value of a flag that it does not know for the verb.
    verb = argv[0] if argv and not argv[0].startswith("-") else None
    if verb is not None and verb not in _VERBS:
        parser.error(f"{verb} is none of {', '.join(_VERBS)}")
    given, others = parser.parse_known_args(argv[0 if verb is None else 1 :])
    return _Orders(
        verb,
        is_agreed=given.yes,
        folder=given.folder,
        data_dir=load_settings(others).data_dir,
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
