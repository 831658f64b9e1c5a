"""``auto``: the fastest runtime and precision that gives the same labels on this processor.

Each candidate labels ten photos; one that differs from torch in f32 on any of them is out,
and of the others the one with the shortest time for a batch wins.
"""

import time
from collections.abc import Iterable, Mapping
from importlib import resources
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

from step_app.runtime import Pixels, Precision, Runtime, RuntimeChoice, RuntimeName

REFERENCE: Final = RuntimeChoice(runtime="torch", precision="f32")
_TILE: Final = 256
"""Side of each photo in the sheet of calibration photos, in pixels."""
_REPEATS: Final = 3


def candidates(
    *, runtime: str, precision: str, has_bf16: bool, has_gpu: bool
) -> list[RuntimeChoice]:
    """Return the choices that fit what was asked for; ``auto`` leaves a dimension open.

    bf16 is tried where the hardware computes in it, and OpenVINO where there is no GPU, which
    only torch uses. What was asked for by name is never dropped.
    """
    runtimes: list[RuntimeName] = ["torch"] if has_gpu else ["openvino", "torch"]
    precisions: list[Precision] = ["bf16", "f32"] if has_bf16 or has_gpu else ["f32"]
    if runtime != "auto":
        runtimes = ["openvino" if runtime == "openvino" else "torch"]
    if precision != "auto":
        precisions = ["bf16" if precision == "bf16" else "f32"]
    return [RuntimeChoice(runtime=r, precision=p) for r in runtimes for p in precisions]


def fastest_with_same_labels(
    runtimes: Mapping[RuntimeChoice, Runtime], *, reference: Runtime, pixels: Pixels
) -> RuntimeChoice:
    """Measure the candidates and return the best; the reference itself when none agrees."""
    expected = reference.infer(pixels).argmax(axis=1)
    timings = {
        choice: _time_batch(runtime, pixels)
        for choice, runtime in runtimes.items()
        if np.array_equal(runtime.infer(pixels).argmax(axis=1), expected)
    }
    return min(timings, key=timings.__getitem__, default=REFERENCE)


def calibration_photos(*, resize: int, crop: int) -> Pixels:
    """Return the calibration photos as the network sees them."""
    sheet = resources.files("step_app").joinpath("calibration.jpg").read_bytes()
    image = Image.open(BytesIO(sheet)).convert("RGB")
    return np.stack([_crop(tile, resize, crop) for tile in _tiles(image)])


def _tiles(sheet: Image.Image) -> Iterable[Image.Image]:
    for top in range(0, sheet.height, _TILE):
        for left in range(0, sheet.width, _TILE):
            yield sheet.crop((left, top, left + _TILE, top + _TILE))


def _crop(tile: Image.Image, resize: int, crop: int) -> Pixels:
    margin = (1 - crop / resize) / 2 * _TILE
    box = (margin, margin, _TILE - margin, _TILE - margin)
    return np.asarray(tile.resize((crop, crop), Image.Resampling.BICUBIC, box=box))


def _time_batch(runtime: Runtime, pixels: Pixels) -> float:
    """Return the shortest of a few runs, in seconds: the one least disturbed by others."""
    runs = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        runtime.infer(pixels)
        runs.append(time.perf_counter() - started)
    return min(runs)
