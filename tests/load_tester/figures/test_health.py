from dataclasses import replace

import pytest

from load_tester.figures.health import list_metrics, sum_up_health
from load_tester.run import ServiceSample
from tests.load_tester.report.sample_run import make_run


def list_points(*samples: dict[str, float]) -> dict[str, list[float]]:
    run = make_run(
        service=tuple(
            ServiceSample(at_s=2.0 * place, values=values)
            for place, values in enumerate(samples, start=1)
        )
    )
    told: dict[str, list[float]] = {}
    for point in list_metrics(run):
        told.setdefault(point.name, []).append(point.value)
    return told


def test_the_worst_of_each_figure_is_told_whenever_it_was() -> None:
    calm = make_run().generator
    samples = (replace(calm[0], cpu=0.9), *calm[1:-1], replace(calm[-1], loop_lag_s=0.3))
    health = sum_up_health(make_run(generator=samples))
    assert health is not None
    assert (health.worst.cpu, health.worst.loop_lag_s) == (0.9, 0.3)
    assert health.mean_cpu == pytest.approx((0.9 + 39 * 0.25) / 40)
    assert len(health.rows) == 40


def test_a_long_run_is_drawn_by_the_worst_of_neighbours() -> None:
    sample = make_run().generator[0]
    samples = [replace(sample, at_s=place / 2) for place in range(3000)]
    samples[1234] = replace(samples[1234], loop_lag_s=1.5)
    health = sum_up_health(make_run(generator=tuple(samples)))
    assert health is not None
    assert len(health.rows) == 600
    assert max(row.loop_lag_s for row in health.rows) == 1.5


def test_a_run_that_was_not_watched_has_no_health() -> None:
    assert sum_up_health(make_run(generator=())) is None


def test_counters_become_rates_and_gauges_stay_as_they_are() -> None:
    told = list_points(
        {"jobs_total": 10.0, "depth": 3.0},
        {"jobs_total": 30.0, "depth": 4.0},
        {"jobs_total": 30.0, "depth": 0.0},
    )
    assert told == {"jobs_total a second": [10.0, 0.0], "depth": [3.0, 4.0, 0.0]}


def test_a_sum_and_a_count_become_the_mean_between_two_samples() -> None:
    told = list_points(
        {"wait_seconds_sum": 1.0, "wait_seconds_count": 10.0},
        {"wait_seconds_sum": 2.0, "wait_seconds_count": 14.0},
        {"wait_seconds_sum": 2.0, "wait_seconds_count": 14.0},  # nothing happened: no mean
    )
    assert told == {"wait_seconds mean": [0.25]}


def test_a_restarted_service_makes_no_negative_rate() -> None:
    assert list_points({"jobs_total": 90.0}, {"jobs_total": 2.0}, {"jobs_total": 6.0}) == {
        "jobs_total a second": [2.0]
    }


def test_what_never_moved_from_zero_is_not_drawn() -> None:
    assert list_points({"depth": 0.0, "made_created": 5.0}, {"depth": 0.0}) == {}
