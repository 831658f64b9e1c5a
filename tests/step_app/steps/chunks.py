"""Compute a picture in chunks as replicas do, and pictures to try it on."""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from step_app.contract.step_types import STEP_TYPES
from step_app.contract.tiles import Tile, rows_of
from step_app.settings import Settings
from step_app.steps.base import complete_params
from step_app.steps.operation import Halo, Operation, Params, Pixels
from tests.step_app.pictures import SAMPLE_PHOTOS, small_photo

SETTINGS = Settings(step_threads=2)
HEIGHTS = (1, 2, 3, 5, 16, 17, 50, 113)
WIDTH = 47


def params_of(name: str, **given: Any) -> Params:
    """Return complete and valid params of a step type."""
    return complete_params(STEP_TYPES[name], given)


def apply_one(operation: Operation, picture: Pixels, params: Params) -> Pixels:
    (made,) = operation.apply(picture, params).pictures
    assert made.dtype == np.uint8
    assert made.flags.c_contiguous
    return made


def apply_in_chunks(
    operation: Operation, picture: Pixels, params: Params, *, count: int, halo: Halo | None = None
) -> Pixels:
    """Compute each chunk with its halo by itself, and put them together."""
    halo = halo or operation.require_halo(params)
    height = len(picture)
    parts = []
    for index in range(count):
        rows = rows_of(Tile(index, count), height=height)
        first = max(0, rows.start - halo.rows)
        first -= first % halo.alignment
        last = min(height, rows.stop + halo.rows)
        made = apply_one(operation, picture[first:last], params)
        parts.append(made[rows.start - first : rows.stop - first])
    return np.concatenate(parts)


def differing_chunks(operation: Operation, picture: Pixels, params: Params) -> list[int]:
    """Return the numbers of chunks with which the picture comes out otherwise than whole."""
    whole = apply_one(operation, picture, params)
    counts = sorted({1, 2, 3, 7, len(picture)})
    return [
        count
        for count in counts
        if count <= len(picture)
        and not np.array_equal(apply_in_chunks(operation, picture, params, count=count), whole)
    ]


def breaks_with(operation: Operation, picture: Pixels, params: Params, *, rows: int) -> bool:
    """Say whether a halo of so few rows shows, when each row is computed by itself."""
    halo = Halo(rows, operation.require_halo(params).alignment)
    made = apply_in_chunks(operation, picture, params, count=len(picture), halo=halo)
    return not np.array_equal(made, apply_one(operation, picture, params))


def breaks_with_less(operation: Operation, picture: Pixels, params: Params) -> bool:
    """Say whether one row less of halo shows."""
    rows = operation.require_halo(params).rows - 1
    return breaks_with(operation, picture, params, rows=rows)


def photo_pixels(name: str, longer_side: int) -> Pixels:
    """Return a photo in colour; writing to it fails."""
    return np.asarray(small_photo(name, longer_side))


def sample_photos() -> list[Pixels]:
    """Return all photos of the repository in full size."""
    paths = sorted(SAMPLE_PHOTOS.glob("*.jpg"))
    return [_pixels(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)) for path in paths]


def _pixels(picture: cv2.typing.MatLike | None) -> Pixels:
    assert picture is not None
    return np.asarray(picture, dtype=np.uint8)


def grey_of(picture: Pixels) -> Pixels:
    return frozen(_pixels(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)))


def noise(height: int, width: int = WIDTH, *, channels: int = 3, seed: int = 1) -> Pixels:
    """Return a picture that no two neighbours of are alike; with 1 channel it is grey."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    return frozen(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def frozen(picture: Pixels) -> Pixels:
    """Return the picture so that writing to it fails: operations must leave it alone."""
    picture.setflags(write=False)
    return picture


def pictures_of(height: int) -> Iterator[tuple[str, Pixels]]:
    """Yield pictures of this height with what they are: photo and noise, in colour and grey."""
    photo = np.ascontiguousarray(photo_pixels("castle", 160)[:height, :WIDTH])
    assert photo.shape == (height, WIDTH, 3)
    yield "photo in colour", frozen(photo)
    yield "photo in grey", grey_of(photo)
    yield "noise in colour", noise(height)
    yield "noise in grey", noise(height, channels=1)


def psnr(picture: Pixels, original: Pixels) -> float:
    """Return the peak signal-to-noise ratio in dB."""
    error = np.mean((picture.astype(np.float64) - original) ** 2)
    return float(10 * np.log10(255**2 / error))
