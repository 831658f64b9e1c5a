"""Pictures of noise and the chunks that replicas make of them."""

import numpy as np
import numpy.typing as npt

from step_app.contract.pictures import Picture
from step_app.contract.tiles import Tile, rows_of
from step_app.encoding import encode_picture

Pixels = npt.NDArray[np.uint8]


def noise(height: int, width: int, *, grey: bool = False, seed: int = 1) -> Pixels:
    """Pixels of every value, with edges that compress badly."""
    shape = (height, width) if grey else (height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def chunks_of(pixels: Pixels, tiles: int, media_type: str) -> list[Picture]:
    """The chunks of a picture, each encoded by itself."""
    return [chunk_of(pixels, Tile(index, tiles), media_type) for index in range(tiles)]


def chunk_of(pixels: Pixels, tile: Tile, media_type: str) -> Picture:
    """One chunk of a picture, encoded by itself."""
    rows = rows_of(tile, height=pixels.shape[0])
    return encode_picture(np.ascontiguousarray(pixels[rows.start : rows.stop]), media_type)
