import io
from typing import Any

import pytest
from rich.console import Console

from load_tester.cli.frame import Snapshot, draw_frame, draw_sparkline, percentile
from load_tester.record import Outcome

PLANNED = (2, 4, 8, 0, 4, 2)


def snapshot(**changes: Any) -> Snapshot:
    known: dict[str, Any] = {
        "elapsed_s": 3.5,
        "planned": PLANNED,
        "total": 20,
        "sent": 14,
        "in_flight": 3,
        "ended": {Outcome.OK: 11},
        "sent_by_second": [2, 4, 8, 0],
        "done_by_second": [1, 4, 6, 0],
        "latest_s": [0.02] * 500,
        "lateness_s": [0.0001] * 500,
    }
    return Snapshot(**(known | changes))


def text_of(now: Snapshot, *, width: int = 100, ascii_only: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(draw_frame(now, width=width, ascii_only=ascii_only))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def line_of(name: str, text: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(name)]
    return line.removeprefix(name).strip()


def test_what_is_asked_for_sent_and_done_has_one_scale() -> None:
    text = text_of(snapshot())
    assert line_of("target", text) == "▃▅█  8/s"
    assert line_of("sent", text) == "▃▅█  8/s"
    assert line_of("done", text) == "▂▅▆  6/s"
    assert line_of("in flight", text) == "3"
    assert "4/6 s" in text.splitlines()[0]


def test_percentiles_are_told_with_enough_samples_only() -> None:
    assert line_of("latency", text_of(snapshot())) == "p50 20.0 p95 20.0 p99 20.0 max 20.0 ms"
    few = text_of(snapshot(latest_s=[0.02] * 89, lateness_s=[]))
    assert line_of("latency", few) == "p50 20.0 p95 n/a p99 n/a max 20.0 ms"
    assert line_of("late", few.replace("latency", "")) == "p50 n/a p99 n/a max n/a ms"
    assert percentile(sorted(range(1000)), 99.0) == 990


def test_outcomes_that_occurred_are_told() -> None:
    ended = {Outcome.OK: 1200, Outcome.TIMED_OUT: 2, Outcome.FAILED: 1, Outcome.REFUSED: 0}
    assert line_of("ended", text_of(snapshot(ended=ended))) == "1,200 ok, 1 failed, 2 timed out"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "on time"),
        ({"lateness_s": []}, "nothing sent yet"),
        ({"lateness_s": [0.0001] * 450 + [0.002] * 50}, "10.0% of sends late"),
        ({"lateness_s": [0.0001] * 450 + [0.02] * 50}, "generator too late"),
        # A slow service forgives 5 % of its median.
        ({"lateness_s": [0.02] * 500, "latest_s": [1.0] * 500}, "100.0% of sends late"),
        ({"ended": {Outcome.WRONG: 1}}, "wrong answers"),
        ({"planned": ()}, "closed loop: lateness means nothing here"),
    ],
)
def test_what_can_be_said_so_far(changes: dict[str, Any], told: str) -> None:
    assert line_of("so far", text_of(snapshot(**changes))) == told


def test_a_closed_loop_counts_images_instead_of_seconds() -> None:
    text = text_of(snapshot(planned=()))
    assert "11/20" in text.splitlines()[0]
    assert "target" not in text


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_frame_fits_its_terminal(width: int) -> None:
    seconds = [30] * 600
    now = snapshot(
        elapsed_s=599.5,
        planned=seconds,
        sent_by_second=seconds,
        done_by_second=seconds,
        latest_s=[12.345] * 1000,
        ended=dict.fromkeys(Outcome, 123456),
    )
    lines = text_of(now, width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) == 9


def test_the_latest_seconds_are_in_sight_of_a_long_run() -> None:
    planned = [0] * 500 + [7] * 10
    now = snapshot(elapsed_s=509.9, planned=planned, sent_by_second=planned)
    assert line_of("sent", text_of(now, width=40)).startswith("██████████")


def test_a_terminal_without_unicode_gets_plain_characters() -> None:
    text = text_of(snapshot(), ascii_only=True)
    assert line_of("sent", text) == "-=#  8/s"
    assert draw_sparkline([0, 1, 100], top=100, ascii_only=True) == " _#"
    assert draw_sparkline([0, 0], top=0) == "  "
