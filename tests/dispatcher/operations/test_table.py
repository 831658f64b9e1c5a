import io

from rich.console import Console

from dispatcher.api.queue_documents import LaneDocument, PriorityDocument
from dispatcher.operations.table import draw_state, state_line
from tests.dispatcher.operations.states import make_state


def drawn(**changes: object) -> list[str]:
    """The lines of a table, their cells apart by one blank."""
    console = Console(file=io.StringIO(), width=100, highlight=False)
    console.print(draw_state(make_state(**changes), name="the service at http://x"))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    return [" ".join(line.replace("│", " ").split()) for line in text.splitlines()]


def test_a_table_has_a_line_for_each_lane_and_each_priority_that_matters() -> None:
    lines = drawn()
    assert lines[0] == "rabbitmq queue, the service at http://x"
    for line in (
        "default 5 4 12.3 s",
        "high 2 1",
        "bulk 3 1",
        "thumbs 1 0 1.0 s",
        "all 6 of 200 4",
        "failed jobs kept: 3 (poison 2, replica_lost 1)",
    ):
        assert line in lines
    assert not any(line.startswith("normal") for line in lines), "nothing waits or is fetched there"


def test_messages_that_nobody_could_read_are_told() -> None:
    assert drawn(failed={}, dead_messages=4)[-1] == (
        "failed jobs kept: 0; messages that nobody could read: 4"
    )


def test_names_are_shown_as_they_are() -> None:
    lane = LaneDocument("[red]x[/]", 1, 0, 0.0, [PriorityDocument(9, 1, None)])
    lines = drawn(lanes=[lane])
    assert any(line.startswith("[red]x[/] 1 0") for line in lines)
    assert "9 1" in lines, "of a priority that is not known here"


def test_one_line_tells_what_matters_most() -> None:
    assert state_line(make_state()) == (
        "waiting 6 of 200, in work 4, oldest 12.3 s, failed jobs kept: 3 (poison 2, replica_lost 1)"
    )
