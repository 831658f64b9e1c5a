import random
from itertools import pairwise

import pytest

from step_app.contract.tiles import MAX_TILES, ROW_ALIGNMENT, Rows, Tile, is_aligned, rows_of


def chunks(count: int, height: int) -> list[Rows]:
    return [rows_of(Tile(index, count), height=height) for index in range(count)]


def cuts(count: int, height: int) -> list[int]:
    """Return the rows at which a picture is cut, without its own two edges."""
    return [rows.start for rows in chunks(count, height)[1:]]


def some_counts_and_heights() -> list[tuple[int, int]]:
    """Return all small pictures in all ways, and many others."""
    rng = random.Random(7)
    small = [(count, height) for height in range(1, 70) for count in range(1, height + 1)]
    heights = [rng.randrange(MAX_TILES, 20_001) for _ in range(2000)]
    return small + [(rng.randrange(1, MAX_TILES + 1), height) for height in heights]


def test_all_chunks_together_are_all_rows_once_and_in_order() -> None:
    for count, height in some_counts_and_heights():
        parts = chunks(count, height)
        assert (parts[0].start, parts[-1].stop) == (0, height)
        assert all(upper.stop == lower.start for upper, lower in pairwise(parts))
        assert all(len(part) > 0 for part in parts)


def test_chunks_are_cut_between_coding_units_as_soon_as_each_holds_one() -> None:
    for count, height in some_counts_and_heights():
        assert is_aligned(count, height=height) == (height >= count * ROW_ALIGNMENT)
        if is_aligned(count, height=height):
            assert all(row % ROW_ALIGNMENT == 0 for row in cuts(count, height))


def test_chunks_differ_in_length_by_little() -> None:
    for count, height in some_counts_and_heights():
        lengths = [len(part) for part in chunks(count, height)]
        allowed = 2 * ROW_ALIGNMENT if is_aligned(count, height=height) else 1
        assert max(lengths) - min(lengths) <= allowed


@pytest.mark.parametrize(
    ("count", "height", "expected"),
    [
        (1, 1, []),
        (1, 20_000, []),
        (2, 2, [1]),
        (3, 10, [3, 6]),
        (2, 31, [15]),
        (2, 32, [16]),
        (2, 47, [16]),
        (2, 64, [32]),
        (4, 1080, [256, 528, 800]),
    ],
)
def test_a_picture_is_cut_here(count: int, height: int, expected: list[int]) -> None:
    assert cuts(count, height) == expected


@pytest.mark.parametrize(
    ("tile", "height"),
    [(Tile(0, 5), 4), (Tile(0, 1), 0), (Tile(0, 0), 10), (Tile(2, 2), 10), (Tile(-1, 2), 10)],
)
def test_a_chunk_that_cannot_be_is_refused(tile: Tile, height: int) -> None:
    with pytest.raises(ValueError, match="cannot be cut"):
        rows_of(tile, height=height)
