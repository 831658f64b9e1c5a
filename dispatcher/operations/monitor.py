"""The state of a queue, again and again, until somebody ends it."""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from dispatcher.api.queue_documents import QueueDocument
from dispatcher.operations.choosing import Choice, open_queue
from dispatcher.operations.table import draw_state, state_line
from dispatcher.operations.target import OperationError

Show = Callable[[QueueDocument, str], None]
"""Shows a state and whose it is."""


async def monitor(choice: Choice, *, interval_s: float, is_json: bool) -> None:
    """Show the state until cancelled; a service that goes away meanwhile is waited for.

    Raises:
        OperationError: there was nothing to be seen at the first look.
    """
    with ExitStack() as stack:
        show, tell = _choose_view(stack, is_json=is_json)
        is_first = True
        while True:
            began = time.monotonic()
            try:
                # Opened each time: stores that are open would keep a service from starting.
                async with open_queue(choice) as target:
                    show(await target.state(), target.name)
            except OperationError as exc:
                if is_first:
                    raise
                tell(str(exc))
            is_first = False
            await asyncio.sleep(max(0.0, began + interval_s - time.monotonic()))


def _choose_view(stack: ExitStack, *, is_json: bool) -> tuple[Show, Callable[[str], None]]:
    """Return what shows a state, and what tells why there is none."""
    console = Console(highlight=False)
    if is_json:
        return _show_json, _complain
    if not console.is_terminal or console.is_dumb_terminal:
        return _show_line, _complain
    live = stack.enter_context(Live(console=console, auto_refresh=False))

    def draw(content: RenderableType) -> None:
        live.update(Group(content, Text(f"{_now()}, Ctrl-C ends")), refresh=True)

    return (
        lambda state, name: draw(draw_state(state, name=name)),
        lambda reason: draw(Text(f"no answer: {reason}")),
    )


def _show_json(state: QueueDocument, _: str) -> None:
    _write(msgspec.json.encode(state).decode())


def _show_line(state: QueueDocument, _: str) -> None:
    _write(f"{_now()} {state_line(state)}")


def _complain(reason: str) -> None:
    sys.stderr.write(f"{_now()} no answer: {reason}\n")
    sys.stderr.flush()


def _now() -> str:
    return datetime.now(UTC).strftime("%H:%M:%SZ")


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
