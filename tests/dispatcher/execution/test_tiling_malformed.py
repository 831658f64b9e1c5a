"""Chunks that do not belong together: refused, and never with another error than that."""

import random
import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from dispatcher.execution.tiling import JoinError, join
from step_app.contract.pictures import RAW_MEDIA_TYPE, Picture
from step_app.encoding import encode_picture
from tests.dispatcher.execution.chunks import chunks_of, noise

JPEG = "image/jpeg"
MEDIA_TYPES = (JPEG, RAW_MEDIA_TYPE)


def chunks(media_type: str, *, grey: bool = False) -> list[Picture]:
    return chunks_of(noise(96, 20, grey=grey), 3, media_type)


def refuses(pieces: list[Picture]) -> bool:
    """Say whether chunks are refused; any other error fails the test."""
    try:
        join(pieces)
    except JoinError:
        return True
    return False


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_a_chunk_that_ends_early_is_refused_wherever_it_ends(media_type: str, place: int) -> None:
    whole = chunks(media_type)
    body = whole[place].body
    for length in range(len(body)):
        damaged = list(whole)
        damaged[place] = replace(whole[place], body=body[:length])
        assert refuses(damaged), f"{length} of {len(body)} bytes"


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("extra", [b"\x00", b"\xff\xd9", bytes(60)])
def test_a_raw_chunk_with_bytes_too_many_is_refused(extra: bytes, place: int) -> None:
    whole = chunks(RAW_MEDIA_TYPE)
    whole[place] = replace(whole[place], body=whole[place].body + extra)
    assert refuses(whole)


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_random_bytes_are_refused(media_type: str) -> None:
    dice = random.Random(1)
    whole = chunks(media_type)
    for _ in range(500):
        damaged = list(whole)
        place = dice.randrange(3)
        damaged[place] = replace(whole[place], body=dice.randbytes(dice.randrange(200)))
        assert refuses(damaged)
        assert refuses([damaged[place]])


def test_headers_of_random_length_are_refused() -> None:
    dice = random.Random(1)
    whole = chunks(JPEG)
    for _ in range(500):
        segments = b"".join(
            bytes((0xFF, dice.choice((0xC0, 0xC4, 0xDA, 0xDB, 0xE0, 0xFE))))
            + struct.pack(">H", dice.choice((0, 1, 2, 3, 20, 65535)))
            + dice.randbytes(dice.randrange(20))
            for _ in range(dice.randrange(8))
        )
        body = b"\xff\xd8" + segments + dice.choice((b"", b"\xff\xd9"))
        damaged = list(whole)
        damaged[dice.randrange(3)] = replace(whole[0], body=body)
        assert refuses(damaged)


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_chunk_breaks_nothing(media_type: str, seed: int) -> None:
    dice = random.Random(seed)
    whole = chunks(media_type)
    for _ in range(300):
        place = dice.randrange(3)
        body = bytearray(whole[place].body)
        for _ in range(dice.randint(1, 5)):
            body[dice.randrange(len(body))] = dice.getrandbits(8)
        damaged = list(whole)
        damaged[place] = replace(whole[place], body=bytes(body))
        refuses(damaged)


def test_a_damaged_header_is_refused_wherever_it_is_damaged() -> None:
    whole = chunks(JPEG)
    length = whole[1].body.index(b"\xff\xda")
    height_at = whole[1].body.index(b"\xff\xc0") + 5
    for offset in range(length):
        if offset in (height_at, height_at + 1):
            continue
        body = bytearray(whole[1].body)
        body[offset] ^= 0x55
        damaged = [whole[0], replace(whole[1], body=bytes(body)), whole[2]]
        assert refuses(damaged), f"byte {offset}"


# Chunks of different pictures


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize(
    "change",
    [
        lambda chunk: replace(chunk, width=chunk.width + 1),
        lambda chunk: replace(chunk, width=chunk.width - 1),
        lambda chunk: replace(chunk, height=chunk.height + 16),
        lambda chunk: replace(chunk, height=chunk.height - 16),
        lambda chunk: replace(chunk, media_type="image/png"),
    ],
    ids=["wider", "narrower", "taller", "shorter", "another format"],
)
def test_a_chunk_that_says_something_else_than_it_is_is_refused(
    change: Callable[[Picture], Picture], media_type: str
) -> None:
    for place in range(3):
        whole = chunks(media_type)
        whole[place] = change(whole[place])
        assert refuses(whole)
    assert refuses([change(chunks(media_type)[0])])


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_grey_and_coloured_chunks_are_not_joined(media_type: str) -> None:
    colour, grey = chunks(media_type), chunks(media_type, grey=True)
    assert refuses([colour[0], grey[1], colour[2]])
    assert refuses([grey[0], colour[1], grey[2]])


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_chunks_of_pictures_of_another_width_are_not_joined(media_type: str) -> None:
    other = chunks_of(noise(96, 21), 3, media_type)
    whole = chunks(media_type)
    assert refuses([whole[0], other[1], whole[2]])


@pytest.mark.parametrize("media_type", ["image/png", "image/webp", "image/bmp"])
def test_chunks_of_a_format_that_nobody_asked_for_are_refused(media_type: str) -> None:
    assert refuses(chunks(media_type))


def test_jpeg_chunks_that_end_within_a_row_of_coding_units_are_refused() -> None:
    pixels = noise(90, 20)
    parts = [encode_picture(pixels[:30].copy(), JPEG), encode_picture(pixels[30:].copy(), JPEG)]
    assert refuses(parts)


def test_only_the_last_jpeg_chunk_may_end_within_a_row_of_coding_units() -> None:
    parts = chunks_of(noise(90, 20), 3, JPEG)
    assert not refuses(parts)
    assert refuses([parts[2], parts[0], parts[1]])


def test_jpeg_chunks_that_are_too_high_together_are_refused() -> None:
    (chunk, *_) = chunks(JPEG)
    height_at = chunk.body.index(b"\xff\xc0") + 5
    body = chunk.body[:height_at] + struct.pack(">H", 65_520) + chunk.body[height_at + 2 :]
    tall = replace(chunk, height=65_520, body=body)
    assert not refuses([tall])
    assert refuses([tall, tall])


def test_a_progressive_jpeg_is_refused() -> None:
    whole = chunks(JPEG)
    body = whole[1].body.replace(b"\xff\xc0", b"\xff\xc2", 1)
    assert refuses([whole[0], replace(whole[1], body=body), whole[2]])
    assert refuses([replace(whole[1], body=body)])


def test_what_is_only_named_jpeg_is_refused() -> None:
    whole = chunks(RAW_MEDIA_TYPE)
    assert refuses([replace(chunk, media_type=JPEG) for chunk in whole])


def test_what_is_only_named_raw_is_refused() -> None:
    whole = chunks(JPEG)
    assert refuses([replace(chunk, media_type=RAW_MEDIA_TYPE) for chunk in whole])
