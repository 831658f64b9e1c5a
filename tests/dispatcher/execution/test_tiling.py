"""Chunks made by the real encoder, joined: byte by byte what encoding the whole picture gives."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from dispatcher.execution.tiling import chunk_type, join
from step_app.contract.pictures import RAW_MEDIA_TYPE, Picture
from step_app.contract.tiles import ROW_ALIGNMENT, Tile, rows_of
from step_app.encoding import encode_picture
from tests.dispatcher.execution.chunks import chunks_of, noise

JPEG = "image/jpeg"
_RESTARTS = re.compile(rb"\xff([\xd0-\xd7])")

Pixels = npt.NDArray[np.uint8]


def is_grey_or_colour(grey: bool) -> str:
    return "grey" if grey else "colour"


def restarts_of(body: bytes) -> list[int]:
    """The numbers of the restart markers, in their order."""
    scan = body[body.index(b"\xff\xda") :]
    return [marker[0] - 0xD0 for marker in _RESTARTS.findall(scan)]


def sizes_of(chunks: Sequence[Picture]) -> list[int]:
    return [chunk.height for chunk in chunks]


# Whole pictures


@pytest.mark.parametrize("grey", [False, True], ids=is_grey_or_colour)
@pytest.mark.parametrize("media_type", [JPEG, RAW_MEDIA_TYPE])
@pytest.mark.parametrize("tiles", [2, 3, 4, 7])
@pytest.mark.parametrize("height", [112, 113, 127, 160, 300])
def test_chunks_joined_are_the_picture_encoded_as_a_whole(
    height: int, tiles: int, media_type: str, grey: bool
) -> None:
    pixels = noise(height, 50, grey=grey)
    whole = encode_picture(pixels, media_type)
    joined = join(chunks_of(pixels, tiles, media_type))
    assert (joined.width, joined.height, joined.media_type) == (50, height, media_type)
    assert joined.body == whole.body


@pytest.mark.parametrize("grey", [False, True], ids=is_grey_or_colour)
@pytest.mark.parametrize("width", [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 100])
def test_a_width_that_fills_no_coding_unit_makes_no_difference(width: int, grey: bool) -> None:
    pixels = noise(80, width, grey=grey)
    for media_type in (JPEG, RAW_MEDIA_TYPE):
        whole = encode_picture(pixels, media_type)
        assert join(chunks_of(pixels, 3, media_type)).body == whole.body


@pytest.mark.parametrize("grey", [False, True], ids=is_grey_or_colour)
@pytest.mark.parametrize("height", range(32, 49))
def test_a_height_that_fills_no_coding_unit_makes_no_difference(height: int, grey: bool) -> None:
    pixels = noise(height, 20, grey=grey)
    whole = encode_picture(pixels, JPEG)
    assert join(chunks_of(pixels, 2, JPEG)).body == whole.body


@pytest.mark.parametrize("tiles", [2, 3, 5, 8, 16, 33, 64])
def test_restart_markers_are_counted_on_beyond_eight(tiles: int) -> None:
    pixels = noise(64 * ROW_ALIGNMENT, 24)
    joined = join(chunks_of(pixels, tiles, JPEG))
    numbers = restarts_of(joined.body)
    assert numbers == [number % 8 for number in range(63)]
    assert joined.body == encode_picture(pixels, JPEG).body


def test_one_chunk_is_the_whole_picture() -> None:
    pixels = noise(40, 30)
    for media_type in (JPEG, RAW_MEDIA_TYPE):
        whole = encode_picture(pixels, media_type)
        assert join([whole]) == whole


@pytest.mark.parametrize("kind", ["black", "white", "edges"])
def test_a_picture_of_little_detail_is_joined_like_any_other(kind: str) -> None:
    pixels = noise(96, 40)
    pixels[:] = 255 if kind == "white" else 0
    if kind == "edges":
        pixels[::2] = 255
    assert join(chunks_of(pixels, 4, JPEG)).body == encode_picture(pixels, JPEG).body


@pytest.mark.parametrize("tiles", [2, 7, 30, 60])
def test_raw_chunks_may_be_cut_anywhere(tiles: int) -> None:
    pixels = noise(61, 10)
    chunks = chunks_of(pixels, tiles, RAW_MEDIA_TYPE)
    assert sum(sizes_of(chunks)) == 61
    assert join(chunks).body == encode_picture(pixels, RAW_MEDIA_TYPE).body


def test_pixels_that_look_like_a_header_are_not_taken_for_one() -> None:
    pixels = np.frombuffer(b"P6\n4 2\n255\n" * 60, np.uint8)[: 40 * 4 * 3].reshape(40, 4, 3)
    whole = encode_picture(np.ascontiguousarray(pixels), RAW_MEDIA_TYPE)
    assert join(chunks_of(pixels, 20, RAW_MEDIA_TYPE)).body == whole.body


def test_what_the_first_chunk_has_to_say_is_said_of_the_whole() -> None:
    first, second = chunks_of(noise(32, 10), 2, RAW_MEDIA_TYPE)
    told = Picture(first.media_type, first.width, first.height, first.body, {"note": 1})
    assert join([told, second]).data == {"note": 1}


# In which format to ask for chunks


@pytest.mark.parametrize("delivered", ["image/png", "image/webp", RAW_MEDIA_TYPE, "image/tiff"])
def test_chunks_of_what_is_no_jpeg_are_raw(delivered: str) -> None:
    assert chunk_type(delivered, tiles=2, width=1000, height=1000) == RAW_MEDIA_TYPE


@pytest.mark.parametrize(
    ("tiles", "width", "height", "expected"),
    [
        (2, 1000, 32, JPEG),
        (2, 1000, 31, RAW_MEDIA_TYPE),
        (2, 31, 1000, RAW_MEDIA_TYPE),
        (64, 1024, 1024, JPEG),
        (64, 1024, 1023, RAW_MEDIA_TYPE),
        (4, 0, 0, RAW_MEDIA_TYPE),
    ],
)
def test_jpeg_chunks_are_asked_for_where_every_cut_is_between_coding_units(
    tiles: int, width: int, height: int, expected: str
) -> None:
    # The sides are those of the header: the picture may lie on its side.
    assert chunk_type(JPEG, tiles=tiles, width=width, height=height) == expected


@pytest.mark.parametrize("tiles", [2, 3, 10, 64])
@pytest.mark.parametrize("height", [32, 33, 100, 160, 1024, 1033])
def test_chunks_that_are_asked_for_as_jpeg_can_be_joined(tiles: int, height: int) -> None:
    if chunk_type(JPEG, tiles=tiles, width=5000, height=height) == JPEG:
        cuts = [rows_of(Tile(index, tiles), height=height).start for index in range(tiles)]
        assert all(cut % ROW_ALIGNMENT == 0 for cut in cuts)
        pixels = noise(height, 9)
        assert join(chunks_of(pixels, tiles, JPEG)).body == encode_picture(pixels, JPEG).body
