import json

from load_tester.record import Outcome
from load_tester.report.document import build_report
from load_tester.run import Mode
from tests.load_tester.records import make_record
from tests.load_tester.report.sample_run import make_asked, make_run


def test_the_report_holds_the_run_the_counts_and_the_seconds() -> None:
    records = (make_record(0), make_record(1, Outcome.NOT_SENT, reason="interrupted"))
    report = build_report(make_run(records=records, uploads=1, planned=(1, 1), interrupted=True))
    assert report["counts"]["scheduled"] == 2
    assert report["counts"]["not_sent"] == 1
    assert report["interrupted"] is True
    assert report["discrepancies"] == []
    assert report["latency"]["end_to_end"]["max_s"] == 1.25
    assert report["latency"]["end_to_end"]["p99_s"] is None
    assert report["run"]["planned"] == [1, 1]
    assert report["run"]["started_at"] == "2025-06-25T11:22:41.523565"
    assert report["seconds"] == [
        {"at_s": 0, "target": 1, "due": 1, "sent": 1, "completed": 0, "failed": 0},
        {"at_s": 1, "target": 1, "due": 0, "sent": 0, "completed": 1, "failed": 1},
    ]


def test_the_report_is_plain_json_and_the_same_each_time() -> None:
    report = build_report(make_run())
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert build_report(make_run()) == report


def test_the_order_in_which_images_ended_changes_nothing_but_their_order() -> None:
    backwards = tuple(reversed(make_run().records))
    told, turned = build_report(make_run()), build_report(make_run(records=backwards))
    assert turned["latency"] == told["latency"]
    assert turned["seconds"] == told["seconds"]
    assert turned["wrong"] == told["wrong"]


def test_seconds_that_were_sent_as_planned_are_counted() -> None:
    # The plan's last ten seconds ask for 8 and 12 in turns; 10 were sent in each.
    told = build_report(make_run())["fidelity"]
    assert told == {"seconds": 20, "exact_by_plan": 10, "exact_by_clock": 10}


def test_an_image_that_left_in_the_next_second_is_true_to_the_plan_but_not_to_the_clock() -> None:
    records = (make_record(0, sched_s=0.9, sent_s=1.1), make_record(1, seen_s=3.5))
    told = build_report(make_run(records=records, planned=(1, 1)))["fidelity"]
    assert told == {"seconds": 2, "exact_by_plan": 2, "exact_by_clock": 0}


def test_a_closed_loop_has_no_plan_to_be_true_to() -> None:
    run = make_run(asked=make_asked(mode=Mode.CLOSED, objectives=()), planned=(200,))
    report = build_report(run)
    assert report["fidelity"] is None
    assert report["offered"] == []
    assert {row["target"] for row in report["seconds"]} == {None}


def test_a_run_without_a_single_result_still_has_a_report() -> None:
    records = (make_record(0, Outcome.TIMED_OUT),)
    report = build_report(make_run(records=records, uploads=1, planned=(1,), generator=()))
    assert report["flight"] is None
    assert report["parts"] == []
    assert report["spectrum"] == []
    assert report["generator"]["health"] is None
    assert report["errors"] == [{"outcome": "timed_out", "reason": "because", "images": 1}]
