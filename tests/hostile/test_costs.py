"""The most that one image may cost a replica: time and memory, for the worst that is allowed.

Nothing stops a decoder that takes too long. That need not be, because structure bounds it: the
pixels, the frames, the pieces and the scans.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.hostile import animations, jpegs, pngs
from tests.step_app.pictures import encode

PROJECT = Path(__file__).parents[2]
SPENT_AT_MOST_S = 10.0
GROWS_AT_MOST_BYTES = 1024**3
SIDE = 7071
"""Of a square of as many pixels as are allowed."""
COMPLETED, CORRUPT, TOO_COMPLEX = {"completed"}, {"image_corrupt"}, {"image_too_complex"}
Case = tuple[Callable[[], bytes], set[str]]

SHORT: dict[str, Case] = {
    "PNG with alpha": (
        lambda: encode(Image.new("RGBA", (SIDE, SIDE), (1, 2, 3, 4)), "PNG", compress_level=1),
        COMPLETED,
    ),
    "CMYK TIFF": (
        lambda: encode(Image.new("CMYK", (SIDE, SIDE)), "TIFF", compression="packbits"),
        COMPLETED,
    ),
    "PNG whose pixels inflate": (pngs.pixel_bomb, COMPLETED),
    "PNG whose profile inflates": (lambda: pngs.chunk_bomb(b"iCCP"), COMPLETED | CORRUPT),
    "TIFF whose pixels inflate": (animations.tiff_bomb, COMPLETED | CORRUPT),
    "JPEG of 10,000 scans": (lambda: jpegs.with_scans(10_000), TOO_COMPLEX),
    "BMP of a million runs of one pixel": (
        lambda: animations.bmp(
            10_000, 5_000, bits=8, packing=1, palette=256, pixels=b"\1\2" * 1_000_000
        ),
        COMPLETED | CORRUPT,
    ),
}
LONG: dict[str, Case] = {
    "JPEG of 50 megapixels and 100 scans": (lambda: jpegs.with_scans(100, SIDE), COMPLETED),
    "BMP of ten million runs of one pixel": (
        lambda: animations.bmp(
            10_000, 5_000, bits=8, packing=1, palette=256, pixels=b"\1\2" * 10_000_000
        ),
        COMPLETED | CORRUPT,
    ),
    "GIF of 50 megapixels": (lambda: encode(Image.new("P", (SIDE, SIDE)), "GIF"), COMPLETED),
}


@pytest.mark.parametrize(("make", "ends"), SHORT.values(), ids=SHORT.keys())
def test_the_worst_that_is_allowed_costs_no_more_than_this(
    make: Callable[[], bytes], ends: set[str]
) -> None:
    check_cost(make(), ends)


@pytest.mark.parametrize(("make", "ends"), LONG.values(), ids=LONG.keys())
def test_what_takes_longest_costs_no_more_than_this(
    make: Callable[[], bytes], ends: set[str], is_long: bool
) -> None:
    if not is_long:
        pytest.skip("takes several seconds: --long")
    check_cost(make(), ends)


def check_cost(data: bytes, ends: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.decoding"],
        cwd=PROJECT,
        input=data,
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    cost: dict[str, Any] = json.loads(done.stdout)
    print(cost)  # noqa: T201 - pytest shows it on failure
    assert cost["end"] in ends
    assert cost["spent_s"] < SPENT_AT_MOST_S
    assert cost["grown_bytes"] < GROWS_AT_MOST_BYTES
