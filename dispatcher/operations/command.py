"""``python -m dispatcher queue status|monitor|purge|requeue``."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dispatcher.api.queue_documents import QueueDocument
from dispatcher.operations import steps
from dispatcher.operations.arguments import read_arguments
from dispatcher.operations.asking import confirm
from dispatcher.operations.choosing import Choice, open_queue
from dispatcher.operations.monitor import monitor
from dispatcher.operations.table import draw_state
from dispatcher.operations.target import OperationError, QueueTarget


def run_queue_command(argv: Sequence[str]) -> None:
    """Carry out one command; ``--help`` explains them.

    Raises:
        StartupError: it cannot be done, or not to its end; the message says which.
        KeyboardInterrupt: somebody has ended it; what was done stays done.
    """
    # What the stores have to tell while they open is no news here.
    logging.getLogger().setLevel(logging.ERROR)
    try:
        given, choice = read_arguments(argv)
        asyncio.run(_run(given, choice))
    except BrokenPipeError:  # whoever read this has seen enough
        sys.stderr.close()


async def _run(given: argparse.Namespace, choice: Choice) -> None:
    if given.verb == "monitor":
        await monitor(choice, interval_s=given.interval, is_json=given.json)
        return
    async with open_queue(choice) as target:
        if given.verb == "status":
            await _show(target, is_json=given.json)
        elif given.verb == "purge":
            await _purge(target, given)
        else:
            await _requeue(target, given)


async def _show(target: QueueTarget, *, is_json: bool) -> None:
    state = await target.state()
    if is_json:
        _say(msgspec.json.encode(state).decode())
    else:
        Console(highlight=False).print(draw_state(state, name=target.name))


async def _purge(target: QueueTarget, given: argparse.Namespace) -> None:
    if given.code and not given.failed:
        raise OperationError("--code goes with --failed")
    state = await target.state()
    expected = _failed(state, given) if given.failed else _waiting(state, given)
    if not given.yes:
        what = "Drop" if given.failed else "Cancel"
        kind = "failed jobs that are kept" if given.failed else "jobs that wait"
        lane = f" in lane {given.lane}" if given.lane else ""
        confirm(f"{what} the {expected} {kind}{lane}, {target.name}?")
    # What comes from now on is not meant.
    order = {**_selection(given), "what": "failed" if given.failed else "waiting"}
    with _progress("purged", expected) as on_progress:
        total = await steps.purge_all(
            target, {**order, "before": state.at}, on_progress=on_progress
        )
    _say(f"{total.purged} {'dropped' if given.failed else 'cancelled'}")
    if total.dead_messages:
        _say(f"{total.dead_messages} messages thrown away that nobody could read")


async def _requeue(target: QueueTarget, given: argparse.Namespace) -> None:
    state = await target.state()
    expected = _failed(state, given)
    if given.limit is not None:
        expected = min(expected, given.limit)
    with _progress("repeated", expected) as on_progress:
        total = await steps.requeue_all(
            target,
            # What fails again meanwhile is not repeated again.
            {**_selection(given), "before": state.at},
            most=given.limit,
            on_progress=on_progress,
            on_wait=_once(
                lambda: _complain("the queue is full; waiting for room (Ctrl-C ends it)")
            ),
        )
    _say(f"{total.requeued} repeated")
    for code, count in sorted(total.skipped.items()):
        _say(f"{count} not repeated: {code}")
    if total.put_back:
        _say(f"{total.put_back} messages put back")


def _selection(given: argparse.Namespace) -> Mapping[str, Any]:
    found = {"lane": given.lane, "code": given.code}
    return {name: value for name, value in found.items() if value is not None}


def _waiting(state: QueueDocument, given: argparse.Namespace) -> int:
    if given.lane is None:
        return state.waiting
    return sum(lane.waiting for lane in state.lanes if lane.lane == given.lane)


def _failed(state: QueueDocument, given: argparse.Namespace) -> int:
    if given.code is None:
        return sum(state.failed.values())
    return state.failed.get(given.code, 0)


@contextmanager
def _progress(verb: str, expected: int) -> Iterator[steps.Progress]:
    """Show how far long work is, on a terminal only."""
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(verb, total=expected)
        yield lambda done: progress.update(task, completed=done, total=max(done, expected))


def _once(call: Callable[[], None]) -> Callable[[], None]:
    """Return what makes a call the first time and does nothing later."""
    calls = [call]

    def call_once() -> None:
        if calls:
            calls.pop()()

    return call_once


def _complain(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
