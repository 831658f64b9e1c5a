from load_tester.figures.mistakes import count_reasons, count_reasons_over_time, list_wrong
from load_tester.record import Outcome
from tests.load_tester.records import make_record
from tests.load_tester.report.sample_run import HOSTILE_LABEL, make_run


def test_reasons_are_counted_most_frequent_first() -> None:
    told = [(row.outcome, row.reason, row.images) for row in count_reasons(make_run())]
    assert told == [("failed", "http_500", 10), ("wrong", "wrong_label", 4)]


def test_over_time_they_stand_where_the_images_were_due() -> None:
    rows = count_reasons_over_time(make_run(), width_s=10)
    assert [(row.at_s, row.name, row.images) for row in rows] == [
        (0, "failed: http_500", 5),
        (0, "wrong: wrong_label", 2),
        (10, "failed: http_500", 5),
        (10, "wrong: wrong_label", 2),
    ]


def test_rare_reasons_are_counted_together_and_none_is_lost() -> None:
    records = tuple(
        make_record(index, Outcome.FAILED, reason=f"http_{500 + index % 20}") for index in range(40)
    )
    rows = count_reasons_over_time(make_run(records=records), width_s=100)
    assert len(rows) == 8
    assert {row.name: row.images for row in rows}["other reasons"] == 26
    assert sum(row.images for row in rows) == 40


def test_a_wrong_answer_is_listed_with_what_was_told_and_what_is_true() -> None:
    records = (
        make_record(5, Outcome.WRONG, top_label=HOSTILE_LABEL, request_id="abc"),
        make_record(3, Outcome.WRONG, file="unknown.png"),
        make_record(4),
    )
    first, second = list_wrong(make_run(records=records))
    assert (first.index, first.file, first.told, first.expected) == (3, "unknown.png", None, None)
    assert (second.told, second.expected, second.request_id) == (HOSTILE_LABEL, "drum", "abc")


def test_at_most_fifty_are_listed() -> None:
    records = tuple(make_record(index, Outcome.WRONG) for index in range(60))
    told = list_wrong(make_run(records=records))
    assert [row.index for row in told] == list(range(50))
