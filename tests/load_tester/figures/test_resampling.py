import numpy as np
import pytest

from load_tester.figures.resampling import (
    FEWEST_BLOCKS,
    MOST_BLOCKS,
    choose_blocks,
    cut,
    draw_weights,
    likeness,
    resample_means,
    resample_quantiles,
)
from tests.load_tester.figures.synthetic import draw_latencies


def test_every_element_lies_in_one_stretch_and_all_are_about_as_long() -> None:
    sizes = np.bincount(cut(np.arange(1003.0), 64).block_of)
    assert sizes.sum() == 1003
    assert set(sizes) <= {15, 16}


def test_independent_values_are_alike_over_one() -> None:
    values = np.random.default_rng(1).standard_normal(5000)
    assert likeness(values) == pytest.approx(1, abs=0.3)


def test_the_likeness_of_an_autoregressive_series_is_the_known_one() -> None:
    values = draw_latencies(np.random.default_rng(2), 100_000, alike=0.9)
    # (1 + a) / (1 - a); ranks are a little less alike than the values.
    assert likeness(values) == pytest.approx(19, rel=0.15)


def test_values_that_never_change_are_not_taken_for_alike() -> None:
    assert likeness(np.zeros(100)) == 1.0
    sparse = np.zeros(1000)
    sparse[::97] = 1.0
    assert likeness(sparse) == pytest.approx(1, abs=0.3)


def test_stretches_grow_with_likeness() -> None:
    rng = np.random.default_rng(3)
    independent, alike = (draw_latencies(rng, 4000, alike=how) for how in (0.0, 0.95))
    assert choose_blocks([independent]) == MOST_BLOCKS
    assert FEWEST_BLOCKS <= choose_blocks([independent, alike]) < 40


def test_a_replicate_in_which_all_are_drawn_once_has_the_quantiles_of_the_series() -> None:
    values = np.random.default_rng(4).random(1000)
    once = np.ones((1, 10), dtype=np.int64)
    found = resample_quantiles(cut(values, 10), once, [0.5, 0.95])
    assert found[0].tolist() == np.quantile(values, [0.5, 0.95], method="inverted_cdf").tolist()


def test_quantiles_are_those_of_the_stretches_that_were_drawn() -> None:
    values = np.array([1.0, 2.0, np.nan, 4.0, 50.0, 60.0])
    weights = np.array([[2, 0], [0, 2], [1, 1]])
    found = resample_quantiles(cut(values, 2), weights, [0.5, 1.0])
    assert found.tolist() == [[1.0, 2.0], [50.0, 60.0], [4.0, 60.0]]


def test_means_are_those_of_the_stretches_that_were_drawn() -> None:
    weights = np.array([[2, 0], [0, 2], [1, 1]])
    assert resample_means(cut(np.array([1.0, 3.0, 5.0, 7.0]), 2), weights).tolist() == [2, 6, 4]


def test_as_many_stretches_are_drawn_as_there_are() -> None:
    weights = draw_weights(16, replicates=50, rng=np.random.default_rng(5))
    assert weights.shape == (50, 16)
    assert set(weights.sum(axis=1)) == {16}
