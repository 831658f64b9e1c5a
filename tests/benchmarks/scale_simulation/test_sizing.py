"""The plan's arithmetic, and the document that is written from it."""

import math

import pytest

from benchmarks.scale_simulation.document import CELLS, DOCUMENT, LOGGED, SHARED, render, sized
from benchmarks.scale_simulation.plan import ImageCosts, Limits, Prices, constants_of
from benchmarks.scale_simulation.sizing import (
    OBJECT_STORE,
    dispatchers_needed,
    first_to_give_out,
    monthly,
)


def test_document_has_the_tables_that_the_code_computes() -> None:
    text = DOCUMENT.read_text()
    assert render(text) == text, "run: python -m benchmarks.scale_simulation.document"


@pytest.mark.parametrize("record", [ImageCosts(), Limits(), Prices()])
def test_every_constant_says_where_it_is_from(record: ImageCosts | Limits | Prices) -> None:
    for constant in constants_of(record):
        assert constant.source.where, constant.name
        assert constant.value > 0


def test_dispatchers_that_hear_of_every_end_do_not_add_up() -> None:
    def needed(rate: float, heard: float) -> float:
        return dispatchers_needed(rate, image_s=0.006, heard=heard, message_s=2e-5, usage=0.6)

    assert needed(1000, 0) == pytest.approx(10)
    assert needed(2000, 0) == pytest.approx(2 * needed(1000, 0))
    assert needed(10_000, 2) == pytest.approx(300)  # 60 of images over 0.2 that is left of each
    assert math.isinf(needed(15_000, 2))


def test_cells_are_as_many_times_one_cell() -> None:
    one, all_cells = sized(1e4, LOGGED), sized(1e6, CELLS)
    for part, parts in zip(one, all_cells, strict=True):
        assert parts.units == 100 * part.units
        assert parts.gives_out_at == 100 * part.gives_out_at


def test_the_designs_proposed_carry_their_rates_and_the_present_one_does_not() -> None:
    assert first_to_give_out(sized(1e2, SHARED)).gives_out_at > 1e2
    assert first_to_give_out(sized(1e4, SHARED)).gives_out_at < 1e4
    assert first_to_give_out(sized(1e4, LOGGED)).gives_out_at > 1e4
    assert first_to_give_out(sized(1e6, CELLS)).gives_out_at > 1e6


def test_the_store_is_paid_by_the_request() -> None:
    costs, prices = ImageCosts(), Prices()
    images = 1e4 * 3600 * prices.hours
    puts = images * (costs.record_puts + costs.blob_puts) * prices.put
    parts = sized(1e4, SHARED)
    store = next(part for part in parts if part.name == OBJECT_STORE)
    assert puts < store.dollars < 1.1 * puts
    assert store.dollars > 0.5 * monthly(parts)
