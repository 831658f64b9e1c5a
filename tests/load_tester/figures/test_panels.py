import pytest

from load_tester.figures.panels import BenchmarkPoint, average_metrics, measure_point
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Asked, Mode, Run
from tests.load_tester.records import make_record


def run_of(records: list[ImageRecord]) -> Run:
    asked = Asked(
        mode=Mode.CLOSED,
        command="",
        targets=("http://h",),
        source="",
        plan_digest="",
        seed=0,
        timeout_s=1,
    )
    return Run(
        asked=asked,
        started_at="2026-01-01T00:00:00.000000",
        planned=(len(records),),
        records=tuple(records),
        uploads=len(records),
    )


def point_of(records: list[ImageRecord], *, count: int | None = None) -> BenchmarkPoint:
    return measure_point(
        run_of(records), count=count or len(records), concurrency=2, metrics_s={"a_seconds": 1.5}
    )


def test_latency_runs_from_the_send_to_the_result() -> None:
    records = [make_record(n, sent_s=float(n), seen_s=n + 1.0 + n) for n in range(3)]
    point = point_of(records)
    assert point.mean_latency_s == pytest.approx(2.0)
    assert point.max_latency_s == pytest.approx(3.0)
    # Three images from the first send at 0 to the last result at 5 seconds.
    assert point.throughput_per_s == pytest.approx(3 / 5)
    assert point.success == 1
    assert point.metrics_s == {"a_seconds": 1.5}


def test_a_percentile_of_few_images_is_not_invented() -> None:
    few, enough = ([make_record(n) for n in range(count)] for count in (89, 90))
    assert point_of(few).p95_latency_s is None
    assert point_of(few).max_latency_s == pytest.approx(1.0)
    assert point_of(enough).p95_latency_s == pytest.approx(1.0, rel=0.01)


def test_only_images_that_ended_ok_have_a_latency() -> None:
    failed = [make_record(n, Outcome.FAILED) for n in range(3)]
    point = point_of(failed)
    assert (point.ok, point.success) == (0, 0)
    assert point.mean_latency_s is point.throughput_per_s is point.max_latency_s is None


def test_another_attempt_is_no_other_image() -> None:
    records = [make_record(0, Outcome.FAILED), make_record(1, attempt=2), make_record(2)]
    point = point_of(records, count=2)
    assert (point.ok, point.count, point.attempts) == (2, 2, 3)
    assert point.success == 1


def test_the_servers_times_leave_out_its_cache() -> None:
    computed = make_record(0, queue_time_s=0.5, processing_time_s=1.5)
    cached = make_record(1, queue_time_s=0.0, processing_time_s=0.0, from_cache=True)
    point = point_of([computed, cached])
    assert (point.queue_s, point.processing_s, point.total_s) == (0.5, 1.5, 2.0)
    assert point.from_cache == 1


def test_a_service_that_tells_no_times_has_none() -> None:
    point = point_of([make_record(0)])
    assert point.queue_s is point.processing_s is point.total_s is None


def test_metrics_are_averaged_over_what_happened_in_between() -> None:
    before = {"wait_seconds_sum": 10.0, "wait_seconds_count": 100.0, "jobs_total": 5.0}
    after = {
        "wait_seconds_sum": 11.0,
        "wait_seconds_count": 104.0,
        "new_seconds_sum": 3.0,
        "new_seconds_count": 2.0,
        "idle_seconds_sum": 7.0,
        "idle_seconds_count": 0.0,
        "size_bytes_sum": 9.0,
        "size_bytes_count": 1.0,
        "jobs_total": 9.0,
    }
    assert average_metrics(before, after) == {"wait_seconds": 0.25, "new_seconds": 1.5}
    assert average_metrics(after, after) == {}
    assert average_metrics({}, {}) == {}
