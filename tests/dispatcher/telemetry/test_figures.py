import math
import random
import time
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dispatcher.jobs import Job, JobState
from dispatcher.telemetry.figures import CacheOutcome, Figures
from dispatcher.telemetry.metrics import Metrics
from tests.dispatcher.records import RUN, completed, failed, make_job


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def figures(metrics: Metrics) -> Figures:
    return Figures(metrics)


def samples(metrics: Metrics) -> dict[str, float]:
    """What a scraper reads, by name and labels."""
    text = metrics.render(depth=0, oldest_age_s=0.0, blob_bytes=0, replicas=[]).decode()
    return {
        sample.name + "".join(f"|{value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_all_is_zero_at_first(figures: Figures) -> None:
    assert (figures.accepted, figures.peak_depth, figures.last_request_at) == (0, 0, None)
    assert set(figures.ended.values()) == set(figures.cache.values()) == {0}
    assert figures.latency().p50 == figures.latency().p99 == 0.0
    assert figures.average_processing_s() == figures.average_queue_s() == 0.0
    assert figures.drain_rate() == figures.throughput() == 0.0


def test_every_accepted_image_is_counted_once_by_how_the_cache_knew_it(
    figures: Figures, metrics: Metrics
) -> None:
    for count, outcome in enumerate(CacheOutcome, start=1):
        for _ in range(count):
            figures.count_accepted(outcome)
    assert figures.accepted == sum(figures.cache.values()) == 10
    assert figures.last_request_at == pytest.approx(time.time(), abs=5)
    read = samples(metrics)
    for outcome, count in figures.cache.items():
        assert read[f"dispatcher_cache_requests_total|{outcome}"] == count


def test_ended_jobs_are_counted_by_their_state(figures: Figures, metrics: Metrics) -> None:
    for _ in range(3):
        figures.count_ended(completed(make_job()))
    figures.count_ended(failed(make_job()))
    assert figures.ended[JobState.COMPLETED] == 3
    assert figures.ended[JobState.FAILED] == 1
    read = samples(metrics)
    assert read["dispatcher_jobs_total|completed"] == 3
    assert read["dispatcher_jobs_total|failed"] == 1
    assert read["dispatcher_jobs_total|expired"] == 0
    assert read["dispatcher_job_duration_seconds_count"] == 4
    assert read["frontend_processed_total"] == 4


def test_what_failed_is_no_throughput(figures: Figures) -> None:
    figures.count_ended(failed(make_job()))
    assert figures.throughput() == 0.0
    figures.count_ended(completed(make_job()))
    assert figures.throughput() > 0.0


def test_failed_jobs_are_counted_by_why_however_they_failed(
    figures: Figures, metrics: Metrics
) -> None:
    leader = failed(make_job(), "timeout")
    for job in (leader, make_job("follower").settled_like(leader), failed(make_job())):
        figures.count_ended(job)
    read = samples(metrics)
    assert read["dispatcher_job_failures_total|timeout"] == 2
    assert read["dispatcher_job_failures_total|image_corrupt"] == 1
    assert read["dispatcher_jobs_total|failed"] == 3


def test_a_stage_is_timed_once_by_whoever_had_it_computed(
    figures: Figures, metrics: Metrics
) -> None:
    runs = (RUN, replace(RUN, type="blur"), replace(RUN, type="sobel", from_cache=True))
    leader = completed(make_job(), stages=runs)
    figures.count_ended(leader)
    figures.count_ended(make_job("follower").settled_like(leader))
    figures.count_ended(make_job("later").served_from_cache({}, (), "r1"))
    read = samples(metrics)
    assert read["dispatcher_stage_duration_seconds_count|classifier"] == 1
    assert read["dispatcher_stage_duration_seconds_count|blur"] == 1
    assert read["dispatcher_stage_duration_seconds_sum|blur"] == RUN.duration_s
    assert "dispatcher_stage_duration_seconds_count|sobel" not in read


def test_refused_images_are_counted_by_their_code(figures: Figures, metrics: Metrics) -> None:
    figures.count_refused("overloaded")
    assert samples(metrics)["dispatcher_jobs_total|refused_overloaded"] == 1
    assert figures.accepted == 0


def test_the_mean_times_are_of_jobs_that_were_computed(figures: Figures) -> None:
    now = time.time()
    for queue_s, processing_s in ((1.0, 0.5), (3.0, 1.5)):
        job = make_job(queued_at=now).started(now + queue_s)
        figures.count_ended(completed_after(job, processing_s))
    figures.count_ended(make_job(queued_at=now).served_from_cache({}, (), "r1"))
    assert figures.average_queue_s() == pytest.approx(2.0, abs=1e-5)
    assert figures.average_processing_s() == pytest.approx(1.0, abs=1e-5)


def completed_after(job: Job, processing_s: float) -> Job:
    assert job.started_at is not None
    return job.completed(
        job.started_at + processing_s, result={}, stages=(), revision="r1", attempts=1
    )


def test_only_what_leaves_the_queue_drains_it(figures: Figures) -> None:
    leader = completed(make_job("leader"))
    figures.note_waiting(["default"])
    for _ in range(20):
        figures.count_ended(make_job().served_from_cache({}, (), "r1"))
        figures.count_ended(make_job("follower").settled_like(leader))
    assert figures.drain_rate() == 0.0
    assert figures.throughput() > 0.0
    for _ in range(20):
        figures.note_drained("default")
    assert figures.drain_rate() == figures.drain_rate("default") > 20.0


def test_each_lane_has_a_rate_of_its_own(figures: Figures) -> None:
    figures.note_waiting(["default", "other"])
    for _ in range(20):
        figures.note_drained("default")
    assert figures.drain_rate("default") > 0.0
    assert figures.drain_rate("other") == figures.drain_rate("never seen") == 0.0


def test_while_no_replica_of_a_lane_is_ready_nothing_is_promised(figures: Figures) -> None:
    figures.note_waiting(["default"])
    for _ in range(20):
        figures.note_drained("default")
    figures.note_waiting([], stalled=["default"])
    assert figures.drain_rate("default") == 0.0
    figures.note_waiting(["default"])
    assert figures.drain_rate("default") > 0.0


def test_who_has_ended_before_its_work_is_counted_but_not_timed(
    figures: Figures, metrics: Metrics
) -> None:
    figures.count_ended(make_job(queued_at=0.0).cancelled(1000.0))
    figures.count_ended(make_job(queued_at=0.0).started(1.0).expired(1000.0))
    read = samples(metrics)
    assert read["dispatcher_jobs_total|cancelled"] == read["dispatcher_jobs_total|expired"] == 1
    assert read["dispatcher_job_duration_seconds_count"] == 0
    assert figures.latency().p99 == figures.throughput() == figures.average_queue_s() == 0.0


def test_the_peak_is_the_greatest_depth_ever(figures: Figures, metrics: Metrics) -> None:
    for jobs, depth in ((1, 1), (4, 5), (1, 2)):
        figures.note_queued(jobs, depth=depth)
    assert figures.peak_depth == 5
    assert samples(metrics)["frontend_publish_total"] == 6, "each job counts, not each batch"


@pytest.mark.parametrize("count", [1, 2, 3, 10, 60, 99, 100, 101, 2048])
def test_percentiles_are_by_nearest_rank(figures: Figures, count: int) -> None:
    ranks = list(range(1, count + 1))
    random.Random(1).shuffle(ranks)
    for rank in ranks:
        figures.count_ended(completed(make_job(queued_at=0.0), at=float(rank)))
    latency = figures.latency()
    for percent, found in ((50, latency.p50), (95, latency.p95), (99, latency.p99)):
        assert found == math.ceil(percent * count / 100)


def test_percentiles_are_of_the_latest_jobs(figures: Figures) -> None:
    for latency_s in [1000.0] * 100 + [1.0] * 2048:
        figures.count_ended(completed(make_job(queued_at=0.0), at=latency_s))
    assert figures.latency().p99 == 1.0


def test_a_clock_that_was_set_back_makes_no_negative_latency(figures: Figures) -> None:
    figures.count_ended(completed(make_job(queued_at=100.0), at=90.0))
    assert figures.latency().p50 == 0.0


def test_the_uptime_grows(figures: Figures) -> None:
    assert 0 <= figures.uptime_s() <= figures.uptime_s()


def test_what_became_of_the_jobs_of_each_lane_is_counted(figures: Figures) -> None:
    figures.note_drained("a")
    figures.note_drained("a")
    figures.note_turned_away("b", jobs=3)
    assert [figures.drained(lane) for lane in "abc"] == [2, 0, 0]
    assert [figures.turned_away(lane) for lane in "abc"] == [0, 3, 0]
