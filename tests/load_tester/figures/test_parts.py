import pytest

from load_tester.figures.parts import cut_time, measure_parts, measure_parts_over_time
from load_tester.record import ImageRecord, Outcome
from tests.load_tester.records import make_record
from tests.load_tester.report.sample_run import make_asked, make_run


def make_slow_record(index: int, *, queue_s: float) -> ImageRecord:
    return make_record(
        index,
        queue_time_s=queue_s,
        processing_time_s=0.2,
        seen_s=index + 1.0 + queue_s,
        steps_s={"resize": 0.05, "classify": 0.1},
    )


def test_the_parts_add_up_to_what_a_user_waited() -> None:
    record = make_slow_record(0, queue_s=0.03)
    parts = cut_time(record, ["resize", "classify"])
    assert parts == {
        "lateness": 0.25,
        "submit": 0.5,
        "queue": 0.03,
        "step resize": 0.05,
        "step classify": 0.1,
        "processing beside the steps": pytest.approx(0.05),
        "detection and the rest": pytest.approx(0.05),
    }
    assert sum(parts.values()) == pytest.approx(record.end_to_end_s)


def test_without_steps_the_processing_is_one_part() -> None:
    parts = cut_time(make_record(0, processing_time_s=0.2), [])
    assert parts is not None
    assert parts["processing"] == 0.2
    assert parts["detection and the rest"] == pytest.approx(0.3)


def test_time_that_is_told_twice_makes_the_rest_negative_and_is_not_hidden() -> None:
    parts = cut_time(make_record(0, processing_time_s=0.6), [])
    assert parts is not None
    assert parts["detection and the rest"] == pytest.approx(-0.1)


def test_an_image_without_a_result_cannot_be_cut() -> None:
    assert cut_time(make_record(0, Outcome.FAILED), []) is None


def test_the_slowest_are_told_apart() -> None:
    records = [make_slow_record(index, queue_s=0.0) for index in range(99)]
    records.append(make_slow_record(99, queue_s=5.0))
    rows = {row.group: row for row in measure_parts(make_run(records=tuple(records)))}
    assert [(name, row.images) for name, row in rows.items()] == [
        ("all", 100),
        ("middle half", 50),
        ("slowest 5 %", 5),
        ("slowest 1 %", 1),
    ]
    queues = {name: row.parts[2].mean_s for name, row in rows.items()}
    assert queues == {
        "all": pytest.approx(0.05),
        "middle half": 0.0,
        "slowest 5 %": pytest.approx(1.0),
        "slowest 1 %": 5.0,
    }
    for row in rows.values():
        assert sum(part.mean_s for part in row.parts) == pytest.approx(row.total_s)


def test_answers_from_a_cache_shared_ones_and_the_warm_up_are_left_out() -> None:
    records = (
        make_record(0),
        make_record(1, from_cache=True),
        make_record(2, coalesced=True),
        make_record(3, processing_time_s=0.1),
    )
    run = make_run(records=records, asked=make_asked(warm_up_s=1.0))
    assert {row.images for row in measure_parts(run)} == {1}


def test_each_window_with_a_result_has_every_part() -> None:
    records = (make_record(0), make_record(1), make_record(5))
    told = measure_parts_over_time(make_run(records=records), width_s=2)
    assert sorted({row.at_s for row in told}) == [0, 4]
    assert [row.part for row in told if row.at_s == 4] == [
        "lateness",
        "submit",
        "queue",
        "processing",
        "detection and the rest",
    ]


def test_no_result_is_no_part() -> None:
    assert measure_parts(make_run(records=())) == []
    assert measure_parts_over_time(make_run(records=()), width_s=1) == []
