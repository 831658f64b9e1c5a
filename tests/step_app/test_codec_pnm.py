"""Raw pictures between two stages: what steps write is read, and nothing else."""

import random

import numpy as np
import pytest

from step_app.codec import decode_upright_pixels, decode_upright_rgb
from step_app.contract.limits import MAX_PIXELS, MAX_SIDE
from step_app.contract.pictures import RAW_MEDIA_TYPE
from step_app.encoding import encode_picture
from step_app.errors import StepError
from step_app.steps.operation import Pixels

SIX = b"abcdefghijklmnopqr"
"""Six pixels in colour, or eighteen in grey."""
CUT = {
    "a pixel too few": b"P6\n3 2\n255\n" + SIX[:-3],
    "a sample too few": b"P6\n3 2\n255\n" + SIX[:-1],
    "no pixels": b"P6\n3 2\n255\n",
    "grey pixels in a colour file": b"P6\n3 2\n255\n" + SIX[:6],
}
ALTERED = {
    "a sample too many": b"P6\n3 2\n255\n" + SIX + b"x",
    "colour pixels in a grey file": b"P5\n3 2\n255\n" + SIX,
    "16 bits a sample": b"P5\n3 3\n65535\n" + SIX,
    "another maximum": b"P6\n3 2\n254\n" + SIX,
    "a maximum of zero": b"P6\n3 2\n0\n" + SIX,
    "no maximum": b"P6\n3 2\n" + SIX,
    "a comment": b"P6\n# comment\n3 2\n255\n" + SIX,
    "a comment before the maximum": b"P6\n3 2\n# comment\n255\n" + SIX,
    "spaces instead of lines": b"P6\n3 2 255\n" + SIX,
    "lines instead of spaces": b"P6\n3\n2\n255\n" + SIX,
    "two spaces": b"P6\n3  2\n255\n" + SIX,
    "carriage returns": b"P6\n3 2\r\n255\r\n" + SIX,
    "leading zeros": b"P6\n03 2\n255\n" + SIX,
    "a sign": b"P6\n+3 2\n255\n" + SIX,
    "a negative width": b"P6\n-3 -2\n255\n" + SIX,
    "text for a width": b"P6\nthree 2\n255\n" + SIX,
    "other digits": "P6\n\u0663 2\n255\n".encode() + SIX,
    "zero width": b"P6\n0 2\n255\n",
    "zero height": b"P6\n3 0\n255\n",
    "zero sizes with pixels": b"P6\n0 0\n255\n" + SIX,
    "the magic alone": b"P6\n",
    "half a header": b"P6\n3 2\n25",
}
TOO_LARGE = [
    (99_999, 99_999),
    (MAX_SIDE + 1, 1),
    (1, MAX_SIDE + 1),
    (MAX_PIXELS // 10_000 + 1, 10_000),
]


def refusal(data: bytes) -> str:
    """Return the code with which both ways to decode refuse a file."""
    codes = set()
    for decode in (decode_upright_pixels, decode_upright_rgb):
        with pytest.raises(StepError) as caught:
            decode(data)
        codes.add(caught.value.code)
    assert len(codes) == 1
    return codes.pop()


def random_pixels(rng: random.Random, *, is_grey: bool) -> Pixels:
    height, width = rng.randrange(1, 12), rng.randrange(1, 12)
    samples = np.frombuffer(rng.randbytes(height * width * 3), np.uint8)
    if is_grey:
        return samples[: height * width].reshape(height, width)
    return samples.reshape(height, width, 3)


def raw(pixels: Pixels) -> bytes:
    return encode_picture(pixels, RAW_MEDIA_TYPE).body


def test_a_colour_picture_is_rgb_row_by_row() -> None:
    pixels = decode_upright_pixels(b"P6\n3 2\n255\n" + SIX)
    assert pixels.shape == (2, 3, 3)
    assert pixels[0, 1].tolist() == list(b"def")
    assert pixels[1, 0].tolist() == list(b"jkl")


def test_a_grey_picture_stays_grey() -> None:
    pixels = decode_upright_pixels(b"P5\n9 2\n255\n" + SIX)
    assert pixels.shape == (2, 9)
    assert pixels[1, 0] == ord("j")


def test_a_step_that_wants_rgb_gets_it_of_both() -> None:
    grey = decode_upright_rgb(b"P5\n9 2\n255\n" + SIX)
    assert (grey.mode, grey.size, grey.getpixel((0, 1))) == ("RGB", (9, 2), (106, 106, 106))
    colour = decode_upright_rgb(b"P6\n3 2\n255\n" + SIX, min_side=1)
    assert (colour.mode, colour.size, colour.getpixel((1, 0))) == ("RGB", (3, 2), (100, 101, 102))


def test_pixels_come_back_as_they_were_written() -> None:
    rng = random.Random(1)
    for number in range(300):
        pixels = random_pixels(rng, is_grey=number % 2 == 0)
        assert np.array_equal(decode_upright_pixels(raw(pixels)), pixels)


@pytest.mark.parametrize("data", CUT.values(), ids=CUT)
def test_a_file_that_ends_before_its_pixels_do_is_truncated(data: bytes) -> None:
    assert refusal(data) == "image_truncated"


@pytest.mark.parametrize("data", ALTERED.values(), ids=ALTERED)
def test_what_no_step_writes_is_refused(data: bytes) -> None:
    assert refusal(data) == "image_corrupt"


@pytest.mark.parametrize("magic", [b"P1", b"P2", b"P3", b"P4", b"P7", b"PF", b"Pf", b"p6"])
def test_the_other_members_of_the_family_are_not_read(magic: bytes) -> None:
    assert refusal(magic + b"\n3 2\n255\n" + SIX) == "unsupported_image_type"


@pytest.mark.parametrize("size", TOO_LARGE, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("magic", ["P5", "P6"])
def test_a_header_that_promises_too_many_pixels_is_refused(
    magic: str, size: tuple[int, int]
) -> None:
    assert refusal(f"{magic}\n{size[0]} {size[1]}\n255\n".encode() + SIX) == "image_too_large"


def test_a_size_of_many_digits_is_refused_without_counting_with_it() -> None:
    assert refusal(b"P6\n" + b"9" * 5000 + b" 1\n255\n" + SIX) == "image_corrupt"
    assert refusal(b"P6\n1 100000\n255\n" + SIX) == "image_corrupt"


def test_the_limits_themselves_are_allowed() -> None:
    for width, height in ((MAX_SIDE, 1), (1, MAX_SIDE), (MAX_PIXELS // 5000, 5000)):
        data = f"P5\n{width} {height}\n255\n".encode() + bytes(width * height)
        assert decode_upright_pixels(data).shape == (height, width)


@pytest.mark.parametrize("seed", range(5))
def test_a_mutated_file_is_refused_or_is_one_that_steps_write(seed: int) -> None:
    rng = random.Random(seed)
    for number in range(1000):
        data = bytearray(raw(random_pixels(rng, is_grey=number % 2 == 0)))
        for _ in range(rng.randrange(1, 4)):
            position = rng.randrange(min(len(data), 20))
            match rng.randrange(4):
                case 0:
                    data[position] = rng.randrange(256)
                case 1:
                    data[position] = rng.choice(b"0123456789 \n#P56")
                case 2:
                    del data[position : position + rng.randrange(1, 4)]
                case _:
                    data[position:position] = rng.choice([b"0", b"1", b" ", b"\n", b"#\n"])
        try:
            pixels = decode_upright_pixels(bytes(data))
        except StepError:
            continue
        assert raw(pixels) == data
