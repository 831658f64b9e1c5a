import pytest

from load_tester.figures.latency import measure_spread, samples_needed


@pytest.mark.parametrize(
    ("quantile", "needed"), [(50, 7), (90, 44), (95, 90), (99, 459), (99.9, 4603)]
)
def test_a_percentile_needs_enough_samples(quantile: float, needed: int) -> None:
    assert samples_needed(quantile) == needed
    names = {50: "p50_s", 90: "p90_s", 95: "p95_s", 99: "p99_s", 99.9: "p999_s"}
    few, enough = (measure_spread([0.1] * count) for count in (needed - 1, needed))
    assert getattr(few, names[quantile]) is None
    assert getattr(enough, names[quantile]) == pytest.approx(0.1, rel=0.001)


def test_percentiles_of_a_known_spread_are_right_to_three_digits() -> None:
    spread = measure_spread([number / 1000 for number in range(1, 1001)])
    assert spread.p50_s == pytest.approx(0.500, rel=0.001)
    assert spread.p90_s == pytest.approx(0.900, rel=0.001)
    assert spread.p95_s == pytest.approx(0.950, rel=0.001)
    assert spread.p99_s == pytest.approx(0.990, rel=0.001)
    assert spread.max_s == 1.0


def test_no_percentile_lies_above_the_longest_sample() -> None:
    spread = measure_spread([0.123456] * 500)
    assert spread.p99_s is not None
    assert spread.max_s == 0.123456
    assert spread.p99_s <= spread.max_s


def test_what_is_not_known_is_not_counted() -> None:
    spread = measure_spread([None, 0.5, None])
    assert (spread.count, spread.max_s, spread.p50_s) == (1, 0.5, None)


def test_nothing_measured_is_told_as_nothing() -> None:
    spread = measure_spread([])
    assert (spread.count, spread.max_s, spread.p99_s) == (0, None, None)


def test_nothing_and_very_long_are_still_measured() -> None:
    assert measure_spread([0.0, -1e-9]).max_s == 0.0
    assert measure_spread([1e9]).max_s == 1e9
