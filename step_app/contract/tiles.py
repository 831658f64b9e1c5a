"""How a picture is cut into chunks of rows: a pure function that both sides compute alike."""

from dataclasses import dataclass
from typing import Final

ROW_ALIGNMENT: Final = 16
"""Rows of a JPEG's largest coding unit: chunks cut at multiples of it can be joined as they are."""
MAX_TILES: Final = 64


@dataclass(frozen=True, slots=True)
class Tile:
    """One chunk of several."""

    index: int
    count: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows from ``start`` up to, not including, ``stop``."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def rows_of(tile: Tile, *, height: int) -> Rows:
    """Return the rows of one chunk; all chunks together are all rows, once, in order.

    Chunks are cut at multiples of ``ROW_ALIGNMENT`` as soon as each has so many rows.

    Raises:
        ValueError: fewer rows than chunks.
    """
    if not 0 <= tile.index < tile.count <= height:
        raise ValueError(f"{height} rows cannot be cut into {tile.count} chunks")
    return Rows(_cut(tile.index, tile.count, height), _cut(tile.index + 1, tile.count, height))


def is_aligned(count: int, *, height: int) -> bool:
    """Say whether a picture of this height is cut at multiples of ``ROW_ALIGNMENT``."""
    return height // count >= ROW_ALIGNMENT


def _cut(index: int, count: int, height: int) -> int:
    if index == count:
        return height
    row = index * height // count
    return row - row % ROW_ALIGNMENT if is_aligned(count, height=height) else row
