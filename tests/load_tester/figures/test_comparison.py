from dataclasses import replace

import numpy as np
import pytest

from load_tester.figures.comparison import Comparison, Finding, Row, compare
from load_tester.run import Picture, Run
from tests.load_tester.figures.synthetic import draw_latencies, run_of
from tests.load_tester.records import make_record, make_run

OTHER_PLAN = "fedcba9876543210"


def row(comparison: Comparison, name: str) -> Row:
    return next(one for one in comparison.rows if one.name == name)


def draw_run(seed: int, count: int = 5000, factor: float = 1.0, **more: float) -> Run:
    latencies = draw_latencies(np.random.default_rng(seed), count, **more)
    return run_of(factor * latencies, plan_digest=OTHER_PLAN if seed % 2 else "same")


def test_a_slower_service_is_found_and_by_how_much_is_told() -> None:
    comparison = compare(draw_run(0), draw_run(1, factor=1.15))
    p95 = row(comparison, "p95")
    assert (p95.finding, p95.word) == (Finding.WORSE, "slower")
    assert p95.low is not None
    assert p95.high is not None
    assert p95.low < 1.15 < p95.high
    assert p95.low > 1.0
    assert comparison.is_worse
    assert comparison.finding is Finding.WORSE


def test_a_faster_service_is_found() -> None:
    comparison = compare(draw_run(0), draw_run(1, factor=0.85))
    assert row(comparison, "p50").word == "faster"
    assert comparison.finding is Finding.BETTER
    assert not comparison.is_worse


@pytest.mark.parametrize("alike", [0.0, 0.9])
def test_a_service_beside_itself_shows_a_difference_in_few_of_many_comparisons(
    alike: float,
) -> None:
    alarms = 0
    for seed in range(0, 60, 2):
        runs = (draw_run(number, 1500, alike=alike) for number in (seed, seed + 1))
        alarms += compare(*runs).finding is not Finding.NO_DIFFERENCE
    # At five per cent, more than five of thirty are chance in less than one of 300 cases.
    assert alarms <= 5


def test_ten_per_cent_at_percentile_95_are_found_nearly_always_with_enough_images() -> None:
    found = 0
    for seed in range(0, 40, 2):
        slower = draw_run(seed + 1, 2000, factor=1.1, sigma=0.25)
        comparison = compare(draw_run(seed, 2000, sigma=0.25), slower)
        found += row(comparison, "p95").finding is Finding.WORSE
    assert found >= 18


def test_the_same_plan_is_compared_stretch_by_stretch() -> None:
    """What a rising and falling rate does to both runs is no chance, and hides nothing."""
    wave = 2 + np.sin(np.arange(3000) / 150)
    latencies = [
        draw_latencies(np.random.default_rng(seed), 3000, sigma=0.2) * wave for seed in (0, 1)
    ]
    same = compare(run_of(latencies[0]), run_of(1.1 * latencies[1]))
    assert row(same, "p95").finding is Finding.WORSE
    other = run_of(1.1 * latencies[1], plan_digest=OTHER_PLAN)
    assert row(compare(run_of(latencies[0]), other), "p95").finding is not Finding.WORSE


def test_more_errors_are_found_and_as_many_are_not() -> None:
    latencies = draw_latencies(np.random.default_rng(3), 2000)
    few, many = set(range(0, 2000, 100)), set(range(0, 2000, 20))
    worse = compare(run_of(latencies, failed=few), run_of(latencies, failed=many))
    assert row(worse, "error").word == "more errors"
    assert row(worse, "error").change == pytest.approx(0.04)
    alike = compare(run_of(latencies, failed=few), run_of(latencies, failed=set(range(19))))
    assert row(alike, "error").finding is Finding.NO_DIFFERENCE


def test_a_handful_of_errors_against_none_is_no_difference_yet() -> None:
    latencies = draw_latencies(np.random.default_rng(3), 1000)
    comparison = compare(run_of(latencies), run_of(latencies, failed={1, 500, 800}))
    assert row(comparison, "error").finding is Finding.NO_DIFFERENCE


def test_a_service_that_cannot_keep_up_has_less_goodput() -> None:
    def behind(per_s: float) -> Run:
        noise = np.random.default_rng(5).random(2000) / 100
        due_s = np.arange(2000) / 100
        return run_of(np.maximum(0.01, np.arange(1, 2001) / per_s - due_s + noise))

    comparison = compare(behind(60), behind(50))
    assert row(comparison, "goodput").word == "fewer a second"
    assert row(comparison, "goodput").first == pytest.approx(60, rel=0.01)


def test_a_percentile_needs_images_beyond_it_to_be_compared() -> None:
    comparison = compare(draw_run(2, 399), draw_run(3, 399))
    assert row(comparison, "p90").finding is Finding.NO_DIFFERENCE
    assert row(comparison, "p95").finding is Finding.TOO_FEW
    assert row(comparison, "p95").first is not None
    assert row(comparison, "p99").first is None


def test_hardly_any_images_compare_as_nothing() -> None:
    tiny = make_run(make_record(0))
    comparison = compare(tiny, tiny)
    assert comparison.finding is Finding.TOO_FEW
    assert compare(make_run(), tiny).finding is Finding.TOO_FEW


def test_the_same_two_runs_give_the_same_comparison() -> None:
    first, second = draw_run(0, 500), draw_run(1, 500)
    assert compare(first, second) == compare(first, second)


def test_better_and_worse_at_once_is_mixed() -> None:
    rng = np.random.default_rng(8)
    wide, narrow = draw_latencies(rng, 4000, sigma=0.8), 1.3 * draw_latencies(rng, 4000, sigma=0.1)
    assert compare(run_of(narrow), run_of(wide)).finding is Finding.MIXED


def test_everything_else_that_differs_is_a_warning() -> None:
    run = draw_run(0, 300)
    other = replace(
        run,
        asked=replace(run.asked, plan_digest=OTHER_PLAN, objectives=("p95<1s",), warm_up_s=1.0),
        pictures={"drum.jpg": Picture(size_bytes=1)},
        interrupted=True,
    )
    warnings = " / ".join(compare(run, other).warnings)
    for part in ("plans differ", "objectives differ", "warm-ups", "images differ", "interrupted"):
        assert part in warnings
    assert compare(run, run).warnings == ()


def test_a_run_whose_generator_was_disturbed_is_a_warning() -> None:
    late = make_run(*(make_record(n) for n in range(200)))
    (warning,) = compare(late, late).warnings[:1]
    assert warning.startswith("the first run is invalid: 200 of 200 sends")
