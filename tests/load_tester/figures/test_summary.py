from typing import Any

import pytest

from load_tester.figures.summary import (
    Accuracy,
    Summary,
    count_outcomes,
    is_same_label,
    name_size,
    summarize,
)
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Picture
from tests.load_tester.records import make_record, make_run


def summary_of(*records: ImageRecord, **changes: Any) -> Summary:
    return summarize(make_run(*records, labels={"drum.jpg": "drum"}, **changes))


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


def test_the_warm_up_is_counted_but_not_measured_and_its_length_is_told() -> None:
    slow = [make_record(n, seen_s=n + 9.0) for n in range(3)]
    summary = summary_of(*slow, *(make_record(n) for n in range(3, 13)), warm_up_s=3.0)
    assert summary.counts.ok == 13
    assert (summary.warm_up_s, summary.warm_up_images) == (3.0, 3)
    assert (summary.end_to_end.count, summary.end_to_end.max_s) == (10, 1.25)
    assert summary.lateness.count == 10


def test_each_target_has_its_own_figures() -> None:
    near = [make_record(n, target="near") for n in range(2)]
    far = [make_record(2, target="far", seen_s=7.0), make_record(3, Outcome.FAILED, target="far")]
    groups = summary_of(*near, *far).by_target
    assert list(groups) == ["far", "near"]
    assert (groups["far"].images, groups["far"].ok, groups["far"].end_to_end.max_s) == (2, 1, 5.0)


def test_sizes_are_grouped_by_doubling_and_stand_in_order() -> None:
    sizes = {"a.jpg": 100 * 1024, "b.jpg": 3 * 1024, "c.jpg": 2 * 1024}
    summary = summary_of(
        *(make_record(n, file=file) for n, file in enumerate([*sizes, "lost.jpg"])),
        pictures={file: Picture(size_bytes=size) for file, size in sizes.items()},
    )
    assert list(summary.by_size) == ["unknown", "1 to 2 KiB", "2 to 4 KiB", "64 to 128 KiB"]


@pytest.mark.parametrize(("at_most", "name"), [(0, "unknown"), (1, "up to 1 KiB")])
def test_the_smallest_size_has_no_lower_end(at_most: int, name: str) -> None:
    assert name_size(at_most) == name


def test_how_often_a_result_was_asked_for_is_an_average() -> None:
    assert summary_of(make_record(0, polls=1), make_record(1, polls=2)).mean_polls == 1.5
