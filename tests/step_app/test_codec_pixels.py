"""The fast way to pixels gives what the usual one gives: the same values, or the same error."""

import random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from step_app.codec import decode_upright_pixels, decode_upright_rgb, media_type_of
from step_app.errors import StepError
from tests.step_app.pictures import (
    KINDS,
    SAMPLE_PHOTOS,
    encode,
    photo,
    rotated_by_exif,
    small_photo,
)

JPEG_OPTIONS: dict[str, dict[str, Any]] = {
    "colour at full resolution": {"subsampling": 0},
    "colour at half the width": {"subsampling": 1},
    "colour at half the resolution": {"subsampling": 2},
    "RGB inside": {"keep_rgb": True},
    "restart markers": {"restart_marker_rows": 1},
    "progressive with restart markers": {"restart_marker_blocks": 3, "progressive": True},
    "own tables": {"optimize": True, "quality": 35},
    "the best quality": {"quality": 100},
}


def usual(data: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(decode_upright_rgb(data))


def verdict(data: bytes, *, fast: bool) -> npt.NDArray[np.uint8] | str:
    """Return the pixels, or the code of the error."""
    try:
        return decode_upright_pixels(data) if fast else usual(data)
    except StepError as exc:
        return exc.code


def assert_same_verdict(data: bytes) -> None:
    fast, slow = verdict(data, fast=True), verdict(data, fast=False)
    assert isinstance(fast, str) == isinstance(slow, str), (fast, slow)
    assert np.array_equal(fast, slow)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("longer_side", [200, 61])
def test_every_kind_of_file_gives_the_same_pixels(kind: str, longer_side: int) -> None:
    data = KINDS[kind](small_photo("koala", longer_side)).data
    pixels = decode_upright_pixels(data)
    assert (pixels.ndim, pixels.shape[2]) == (3, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels, usual(data))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", JPEG_OPTIONS.values(), ids=JPEG_OPTIONS)
def test_jpegs_written_in_any_way_give_the_same_pixels(mode: str, options: dict[str, Any]) -> None:
    data = encode(small_photo("espresso", 99).convert(mode), "JPEG", **options)
    assert np.array_equal(decode_upright_pixels(data), usual(data))


def test_jpegs_of_any_size_give_the_same_pixels() -> None:
    picture = small_photo("koala", 60)
    for width in range(1, 34):
        for height in (1, 7, 8, 9, 16, 17):
            data = encode(picture.crop((0, 0, width, height)), "JPEG")
            assert np.array_equal(decode_upright_pixels(data), usual(data))


@pytest.mark.parametrize("path", sorted(SAMPLE_PHOTOS.glob("*.jpg")), ids=lambda path: path.stem)
def test_photos_give_the_same_pixels(path: Any) -> None:
    data = path.read_bytes()
    assert np.array_equal(decode_upright_pixels(data), usual(data))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [*range(10), 65535])
def test_orientation_is_applied_alike(image_format: str, orientation: int) -> None:
    for mode in ("RGB", "L"):
        upright = small_photo("koala", 90).convert(mode)
        data = rotated_by_exif(upright, orientation, image_format)
        pixels = decode_upright_pixels(data)
        assert pixels.shape == (upright.height, upright.width, 3)
        assert np.array_equal(pixels, usual(data))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_ends_early_gives_the_same_error(mode: str, progressive: bool) -> None:
    data = encode(small_photo("koala", 120).convert(mode), "JPEG", progressive=progressive)
    for length in range(0, len(data), 37):
        assert_same_verdict(data[:length])
        # The same with an end put where the data breaks off.
        assert_same_verdict(data[:length] + b"\xff\xd9")
    assert verdict(data[:-2], fast=True) == "image_truncated"
    assert verdict(data[: len(data) // 2], fast=True) == "image_truncated"


def test_a_photo_that_ends_early_is_never_half_a_picture() -> None:
    data = photo("koala")
    for length in (361, 1000, len(data) // 4, len(data) // 2, len(data) - 200, len(data) - 2):
        assert verdict(data[:length], fast=True) == "image_truncated"


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str
)
def test_a_jpeg_with_wrong_bytes_gives_the_same_pixels_or_the_same_error(
    options: dict[str, Any],
) -> None:
    rng = random.Random(5)
    data = encode(small_photo("koala", 40), "JPEG", **options)
    for _ in range(500):
        mutated = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            mutated[rng.randrange(len(data))] = rng.randrange(256)
        assert_same_verdict(bytes(mutated))


@pytest.mark.parametrize("image_format", ["PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_any_other_file_with_a_wrong_byte_gives_the_same_pixels_or_the_same_error(
    image_format: str,
) -> None:
    rng = random.Random(image_format)
    data = encode(small_photo("koala", 30), image_format)
    for _ in range(100):
        mutated = bytearray(data)
        mutated[rng.randrange(len(data))] = rng.randrange(256)
        assert_same_verdict(bytes(mutated))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"hello", "unsupported_image_type"),
        (b"\xff\xd8\xff", "unsupported_image_type"),
        (encode(small_photo("koala", 60), "PNG")[:500], "image_corrupt"),
        (encode(small_photo("koala", 60), "ICO"), "unsupported_image_type"),
    ],
    ids=["empty", "text", "a magic", "cut PNG", "another format"],
)
def test_what_is_no_image_gets_its_error(data: bytes, code: str) -> None:
    assert verdict(data, fast=True) == verdict(data, fast=False) == code


@pytest.mark.parametrize(
    ("image_format", "media_type"),
    [
        ("JPEG", "image/jpeg"),
        ("MPO", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
    ],
)
def test_the_type_of_an_image_is_told_by_its_first_bytes(
    image_format: str, media_type: str
) -> None:
    assert media_type_of(encode(small_photo("koala", 20), image_format)) == media_type


def test_the_type_of_a_raw_picture_is_none_that_a_person_could_open() -> None:
    assert media_type_of(b"P6\n1 1\n255\nabc") == ""
    assert media_type_of(b"") == ""
