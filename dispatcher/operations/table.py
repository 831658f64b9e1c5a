"""The state of a queue as tables for people. Pure."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dispatcher.api.queue_documents import LaneDocument, PriorityDocument, QueueDocument
from dispatcher.jobs import Priority


def draw_state(state: QueueDocument, *, name: str) -> RenderableType:
    """Return what there is to see of a queue.

    Args:
        state: the queue at one moment.
        name: whose it is.
    """
    return Group(Text(f"{state.backend} queue, {name}"), _lanes(state), Text(failures(state)))


def failures(state: QueueDocument) -> str:
    """Return one line about what has failed."""
    codes = ", ".join(
        f"{code or 'no code'} {count}" for code, count in sorted(state.failed.items())
    )
    failed = sum(state.failed.values())
    line = f"failed jobs kept: {failed}" + (f" ({codes})" if codes else "")
    if state.dead_messages:
        line += f"; messages that nobody could read: {state.dead_messages}"
    return line


def state_line(state: QueueDocument) -> str:
    """Return the whole state in one line, for where no table can be drawn over another."""
    oldest = max((lane.oldest_age for lane in state.lanes), default=0.0)
    return (
        f"waiting {state.waiting} of {state.capacity}, in work {state.in_work}, "
        f"oldest {oldest:.1f} s, {failures(state)}"
    )


def _lanes(state: QueueDocument) -> Table:
    table = Table(show_footer=True)
    sums = {"waiting": f"{state.waiting} of {state.capacity}", "in work": str(state.in_work)}
    table.add_column("lane", footer="all", no_wrap=True)
    table.add_column("priority")
    for head in ("waiting", "in work", "oldest", "consumers"):
        table.add_column(head, footer=sums.get(head, ""), justify="right")
    for lane in state.lanes:
        for row in _rows(lane):
            table.add_row(*map(Text, row))
    return table


def _rows(lane: LaneDocument) -> Iterator[tuple[str, ...]]:
    """Yield a line for the lane and one for each of its priorities."""
    oldest = f"{lane.oldest_age:.1f} s" if lane.waiting else ""
    yield (lane.lane, "", str(lane.waiting), str(lane.in_work), oldest, "")
    for each in lane.priorities:
        if each.waiting or each.consumers:
            yield ("", _name(each), str(each.waiting), "", "", _consumers(each))


def _name(each: PriorityDocument) -> str:
    try:
        return Priority(each.priority).name.lower()
    except ValueError:  # of a younger service
        return str(each.priority)


def _consumers(each: PriorityDocument) -> str:
    return "" if each.consumers is None else str(each.consumers)
