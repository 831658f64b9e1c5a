"""Chunks of one operation: together they are its result, row by row and bit for bit."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from step_app.codec import decode_upright_pixels
from step_app.contract.pictures import RAW_MEDIA_TYPE
from step_app.contract.tiles import Rows, Tile, rows_of
from step_app.encoding import encode_picture
from step_app.errors import InvalidParamsError
from step_app.steps.base import StepRequest
from step_app.steps.operation import Pixels
from tests.step_app.chaining import chain_step, chained, koala, run

ORIGINAL = decode_upright_pixels(koala())
HEIGHT = ORIGINAL.shape[0]
WITH_HALO = [("add", 3), ("smear", 0), ("smear", 1), ("smear", 5), ("smear", 40)]
ALIGNED = [("coarsen", 2), ("coarsen", 4), ("coarsen", 7), ("coarsen", 64)]


def raw(pixels: Pixels) -> bytes:
    return encode_picture(pixels, RAW_MEDIA_TYPE).body


def whole(image: bytes, link: Sequence[Any]) -> Pixels:
    return decode_upright_pixels(run(image, link, output=RAW_MEDIA_TYPE).pictures[0].body)


def chunk(image: bytes, link: Sequence[Any], tile: Tile) -> Pixels:
    picture = run(image, link, tile=tile, output=RAW_MEDIA_TYPE).pictures[0]
    pixels = decode_upright_pixels(picture.body)
    assert pixels.shape[:2] == (picture.height, picture.width)
    return pixels


def refusal(tile: Tile, *links: Sequence[Any], image: bytes | None = None) -> str:
    with pytest.raises(InvalidParamsError, match=r"^tiles: ") as caught:
        run(image or koala(), *links, tile=tile)
    return caught.value.detail


@pytest.mark.parametrize("link", [*WITH_HALO, *ALIGNED], ids=str)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 16, 64])
def test_each_chunk_is_its_rows_of_the_whole_result(link: Sequence[Any], count: int) -> None:
    expected = whole(koala(), link)
    for index in range(count):
        rows = rows_of(Tile(index, count), height=HEIGHT)
        own = chunk(koala(), link, Tile(index, count))
        assert np.array_equal(own, expected[rows.start : rows.stop])


@pytest.mark.parametrize("is_grey", [False, True])
def test_chunks_of_pictures_of_any_height_join_to_the_whole(is_grey: bool) -> None:
    rng = random.Random(11)
    for _ in range(60):
        height, width = rng.randrange(1, 90), rng.randrange(1, 6)
        samples = np.frombuffer(rng.randbytes(height * width * 3), np.uint8)
        shape = (height, width) if is_grey else (height, width, 3)
        image = raw(samples[: int(np.prod(shape))].reshape(shape))
        link = rng.choice([*WITH_HALO, *ALIGNED])
        count = rng.randrange(1, min(height, 64) + 1)
        chunks = [chunk(image, link, Tile(index, count)) for index in range(count)]
        assert np.array_equal(np.concatenate(chunks), whole(image, link))


def test_a_chunk_is_computed_from_its_own_surroundings_alone() -> None:
    rows = rows_of(Tile(1, 4), height=HEIGHT)
    assert rows == Rows(16, 32)
    picture = run(koala(), ("smear", 5), tile=Tile(1, 4)).pictures[0]
    assert picture.data == {"rows": 16 + 5 + 5}
    assert run(koala(), ("smear", 5), tile=Tile(0, 4)).pictures[0].data == {"rows": 16 + 5}


def test_a_chunk_has_one_time_and_one_picture() -> None:
    reply = run(koala(), ("smear", 1), tile=Tile(0, 2), output="image/jpeg")
    assert (len(reply.pictures), len(reply.timings_s), reply.reused) == (1, 1, 0)
    assert reply.pictures[0].media_type == "image/jpeg"


def test_a_chain_of_several_operations_cannot_be_cut() -> None:
    assert "single operation" in refusal(Tile(0, 2), ("add", 1), ("add", 2))
    assert "single operation" in refusal(Tile(0, 2))


def test_a_picture_wanted_as_it_is_cannot_be_cut() -> None:
    with pytest.raises(InvalidParamsError, match=r"^tiles: "):
        chain_step().prepare(StepRequest(koala(), chained(("add", 1)), tile=Tile(0, 2), as_is=True))


def test_an_operation_whose_rows_depend_on_all_others_cannot_be_cut() -> None:
    assert "multiply cannot be cut into tiles" in refusal(Tile(0, 2), ("multiply", 2))


def test_a_picture_has_no_more_chunks_than_rows() -> None:
    flat = raw(np.zeros((3, 50, 3), np.uint8))
    assert chunk(flat, ("smear", 1), Tile(2, 3)).shape == (1, 50, 3)
    assert "3 rows cannot be cut into 4 chunks" in refusal(Tile(0, 4), ("smear", 1), image=flat)


@pytest.mark.parametrize("tile", [Tile(2, 2), Tile(5, 2), Tile(-1, 2), Tile(0, 0), Tile(0, -1)])
def test_a_chunk_that_is_none_of_its_picture_is_refused(tile: Tile) -> None:
    refusal(tile, ("smear", 1))
