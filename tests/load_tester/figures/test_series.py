import pytest

from load_tester.figures.series import (
    average_in_flight,
    choose_width,
    choose_window,
    count_seconds,
    measure_length,
    measure_windows,
)
from load_tester.record import Outcome
from load_tester.run import Mode, Run
from tests.load_tester.records import make_record
from tests.load_tester.report.sample_run import make_asked, make_run


def make_steady_run(*, seconds: int, per_second: int) -> Run:
    records = tuple(
        make_record(
            index,
            sched_s=index / per_second,
            sent_s=index / per_second,
            seen_s=index / per_second + 0.1,
        )
        for index in range(seconds * per_second)
    )
    return make_run(records=records, planned=(per_second,) * seconds)


def test_an_image_counts_where_it_was_due_where_it_was_sent_and_where_it_was_seen() -> None:
    late = make_record(0, sched_s=0.9, sent_s=1.1, seen_s=2.5)
    run = make_run(records=(late, make_record(1, Outcome.FAILED)), planned=(1, 1))
    told = [
        (row.target, row.due, row.sent, row.completed, row.failed) for row in count_seconds(run)
    ]
    assert told == [(1, 1, 0, 0, 0), (1, 1, 2, 0, 1), (0, 0, 0, 1, 0)]


def test_an_image_that_was_not_sent_was_due_to_nobody() -> None:
    run = make_run(records=(make_record(0, Outcome.NOT_SENT),), planned=(1,))
    (row,) = count_seconds(run)
    assert (row.target, row.due, row.sent, row.failed) == (1, 0, 0, 1)


def test_wider_rows_lose_no_image() -> None:
    run = make_run()
    narrow, wide = count_seconds(run), count_seconds(run, width_s=7)
    assert [row.at_s for row in wide] == [0, 7, 14]
    for figure in ("target", "due", "sent", "completed", "failed"):
        assert sum(getattr(row, figure) for row in narrow) == sum(
            getattr(row, figure) for row in wide
        )


def test_the_seconds_reach_to_the_last_result_and_no_further() -> None:
    records = (make_record(0, seen_s=4.5),)
    assert measure_length(make_run(records=records, planned=(1,))) == 5
    assert measure_length(make_run(records=(), planned=(1, 0, 0))) == 3


def test_a_closed_loop_is_as_long_as_its_images() -> None:
    run = make_run(
        asked=make_asked(mode=Mode.CLOSED), planned=(9000,), records=(make_record(0, seen_s=1.5),)
    )
    assert measure_length(run) == 2
    assert [row.target for row in count_seconds(run)] == [None, None]


@pytest.mark.parametrize(("length_s", "width_s"), [(56, 1), (1200, 1), (1201, 2), (86_400, 120)])
def test_long_runs_get_wider_rows(length_s: int, width_s: int) -> None:
    assert choose_width(length_s) == width_s


@pytest.mark.parametrize(
    ("seconds", "per_second", "window_s"),
    [
        (60, 100, 1),  # each second can tell p95
        (60, 20, 5),  # 90 images take five seconds
        (60, 2, 5),  # not even a minute can: twelve windows are left
        (10, 5, 1),
    ],
)
def test_windows_are_as_narrow_as_p95_allows(seconds: int, per_second: int, window_s: int) -> None:
    assert choose_window(make_steady_run(seconds=seconds, per_second=per_second)) == window_s


def test_a_window_tells_only_what_it_has_the_images_for() -> None:
    run = make_steady_run(seconds=4, per_second=45)
    first, second, last = measure_windows(run, width_s=2)
    assert (first.at_s, second.at_s, last.at_s) == (0, 2, 4)
    assert last.p50_s is None  # no image was due any more
    assert first.ok == 90
    assert first.p95_s == pytest.approx(0.1, rel=0.001)
    assert first.p99_s is None


def test_failures_are_counted_in_the_window_in_which_they_were_due() -> None:
    records = (make_record(0), make_record(3, Outcome.TIMED_OUT))
    told = measure_windows(make_run(records=records, planned=(1, 0, 0, 1)), width_s=2)
    assert [(window.ok, window.failed) for window in told] == [(1, 0), (0, 1)]


def test_images_under_way_are_averaged_over_time() -> None:
    # One from 0 to 1.5, another from 1 to 2: 1 on average, then 1.5 for half and 1 for half.
    assert average_in_flight([0.0, 1.0], [1.5, 2.0], [0, 1, 2, 3]) == pytest.approx([1.0, 1.5, 0.0])


def test_nothing_under_way_is_nothing() -> None:
    assert average_in_flight([], [], [0, 1]) == [0.0]
