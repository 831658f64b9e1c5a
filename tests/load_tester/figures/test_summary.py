from load_tester.record import ImageRecord, Outcome
from load_tester.summary import Accuracy, Summary, count_outcomes, is_same_label, summarize
from tests.load_tester.records import make_record


def summary_of(*records: ImageRecord) -> Summary:
    sent = sum(record.outcome is not Outcome.NOT_SENT for record in records)
    return summarize(
        records, scheduled=len(records), sent=sent, labels={"drum.jpg": "drum"}, interrupted=False
    )


def test_every_outcome_is_counted_and_the_sums_hold() -> None:
    counts = summary_of(*(make_record(n, outcome) for n, outcome in enumerate(Outcome))).counts
    assert counts.find_discrepancies() == []
    assert (counts.scheduled, counts.sent, counts.not_sent) == (7, 6, 1)
    assert counts.ok == counts.refused == counts.failed == counts.timed_out == counts.wrong == 1
    assert counts.abandoned == 1


def test_sums_that_do_not_hold_are_told() -> None:
    lost = count_outcomes([make_record(0)], scheduled=2, sent=2)
    assert lost.find_discrepancies() == ["sent 2, but 1 of them ended"]
    unplanned = count_outcomes([make_record(0)], scheduled=3, sent=1)
    assert unplanned.find_discrepancies() == ["scheduled 3 is not 1 + 0"]


def test_latency_counts_from_the_intended_moment_and_lateness_is_beside_it() -> None:
    summary = summary_of(*(make_record(n) for n in range(10)))
    assert summary.end_to_end.max_s == 1.25
    assert summary.from_send.max_s == 1.0
    assert summary.submit.max_s == 0.5
    assert summary.lateness.max_s == 0.25


def test_only_images_that_ended_ok_have_a_latency() -> None:
    summary = summary_of(make_record(0), make_record(1, Outcome.TIMED_OUT))
    assert (summary.end_to_end.count, summary.lateness.count) == (1, 2)


def test_throughput_spans_from_the_first_send_to_the_last_result() -> None:
    summary = summary_of(*(make_record(n) for n in range(10)), make_record(10, Outcome.REFUSED))
    assert summary.span_s == 10.0
    assert summary.completed_per_s == 1.0


def test_without_a_result_there_is_no_throughput() -> None:
    summary = summary_of(make_record(0, Outcome.FAILED))
    assert (summary.span_s, summary.completed_per_s, summary.accuracy) == (None, None, None)


def test_the_service_times_leave_out_what_the_cache_answered() -> None:
    summary = summary_of(
        make_record(0, queue_time_s=1.0, processing_time_s=0.5),
        make_record(1, queue_time_s=3.0, processing_time_s=0.5, coalesced=True),
        make_record(2, queue_time_s=0.0, processing_time_s=0.0, from_cache=True),
    )
    assert (summary.mean_queue_time_s, summary.mean_processing_time_s) == (2.0, 0.5)
    assert (summary.cache_hits, summary.coalesced) == (1, 1)


def test_accuracy_counts_only_images_whose_truth_is_known() -> None:
    summary = summary_of(
        make_record(0, top_label="drum"),
        make_record(1, top_label="tank"),
        make_record(2, top_label="tank", file="unknown.jpg"),
        make_record(3, top_label=None),
    )
    assert summary.accuracy == Accuracy(labelled=2, correct=1)


def test_labels_are_the_same_but_for_case_and_underscores() -> None:
    assert is_same_label("Rhodesian_ridgeback", "Rhodesian Ridgeback")
    assert not is_same_label("tank", "tank suit")


def test_reasons_are_counted_most_frequent_first() -> None:
    refused = [make_record(n, Outcome.REFUSED, reason="http_503") for n in range(3)]
    failed = make_record(3, Outcome.FAILED, reason="lost_404")
    reasons = summary_of(failed, *refused).reasons
    assert list(reasons.items()) == [("refused:http_503", 3), ("failed:lost_404", 1)]
