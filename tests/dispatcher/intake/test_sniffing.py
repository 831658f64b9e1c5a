"""Images judged by their first bytes (rows C01, C02, C05, C06 and C19 to C23)."""

import io
import random
from typing import Any

import pytest
from PIL import Image

from dispatcher.errors import (
    EmptyFileError,
    ImageCorruptError,
    ImageTooLargeError,
    RequestError,
    UnsupportedImageTypeError,
)
from dispatcher.intake.sniffing import ImageKind, sniff
from step_app.contract.limits import MAX_PIXELS, MAX_SIDE
from tests.dispatcher.images import (
    EVERY_KIND,
    bmp,
    gif,
    jpeg,
    os2_bmp,
    png,
    tiff,
    webp,
)

MAKERS = [
    pytest.param(maker, id=name)
    for name, maker in {
        "jpeg": jpeg,
        "png": png,
        "gif": gif,
        "bmp": bmp,
        "os2_bmp": os2_bmp,
        "webp": webp,
        "webp_lossless": lambda w, h: webp(w, h, kind=b"VP8L"),
        "webp_extended": lambda w, h: webp(w, h, kind=b"VP8X"),
        "tiff": tiff,
        "tiff_big_endian": lambda w, h: tiff(w, h, order=">"),
    }.items()
]
WIDE = [maker for maker in MAKERS if maker.id not in ("webp", "webp_lossless")]
"""Those that can tell of more than 16,383 pixels a side."""


def encoded(kind: str, size: tuple[int, int], mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 1).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"exif": b"Exif\x00\x00" + bytes(60_000), "icc_profile": bytes(200_000)}),
        ("JPEG", {"comment": b"\xff\xc0" * 1000}),
        ("PNG", {}),
        ("PNG", {"mode": "I;16"}),
        ("PNG", {"mode": "P"}),
        ("PNG", {"mode": "1"}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"mode": "RGBA"}),
        ("WEBP", {"exif": b"Exif\x00\x00" + bytes(100)}),
        ("GIF", {"mode": "P"}),
        ("BMP", {}),
        ("BMP", {"mode": "1"}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
    ids=str,
)
def test_real_files_are_known_with_their_size(kind: str, options: dict[str, Any]) -> None:
    data = encoded(kind, (301, 107), **options)
    assert sniff(data) == ImageKind(f"image/{kind.lower()}", 301, 107)


@pytest.mark.parametrize(("media_type", "data"), EVERY_KIND.items())
def test_every_kind_is_known_by_its_content(media_type: str, data: bytes) -> None:
    assert sniff(data) == ImageKind(media_type, 8, 8)
    assert sniff(data + b"<?php PK\x03\x04 trailing") == ImageKind(media_type, 8, 8)


def test_no_bytes_are_an_empty_file() -> None:
    with pytest.raises(EmptyFileError):
        sniff(b"")


@pytest.mark.parametrize("length", range(1, 12))
@pytest.mark.parametrize("media_type", EVERY_KIND)
def test_the_first_few_bytes_of_a_kind_are_no_image(media_type: str, length: int) -> None:
    with pytest.raises(UnsupportedImageTypeError):
        sniff(EVERY_KIND[media_type][:length])


@pytest.mark.parametrize("media_type", EVERY_KIND)
def test_a_header_that_is_cut_anywhere_is_refused(media_type: str) -> None:
    whole = EVERY_KIND[media_type]
    for length in range(1, len(whole)):
        try:
            found = sniff(whole[:length])
        except (UnsupportedImageTypeError, ImageCorruptError):
            continue
        assert found == ImageKind(media_type, 8, 8), "either it is known rightly, or not at all"


# C05, C06, C19, C20, C21: sizes


@pytest.mark.parametrize("maker", WIDE)
def test_the_limits_of_size_are_inclusive(maker: Any) -> None:
    for width, height in ((1, 1), (1, MAX_SIDE), (MAX_SIDE, 1), (10_000, MAX_PIXELS // 10_000)):
        kind = sniff(maker(width, height))
        assert (kind.width, kind.height) == (width, height)


@pytest.mark.parametrize("maker", WIDE)
def test_one_more_than_a_limit_is_too_large(maker: Any) -> None:
    for width, height in ((1, MAX_SIDE + 1), (MAX_SIDE + 1, 1), (10_000, 5_001), (7_072, 7_072)):
        with pytest.raises(ImageTooLargeError):
            sniff(maker(width, height))


@pytest.mark.parametrize("maker", MAKERS)
def test_limits_hold_for_every_kind(maker: Any) -> None:
    assert sniff(maker(16_383, 3_051)).width == 16_383
    with pytest.raises(ImageTooLargeError):
        sniff(maker(16_383, 3_052))


def test_the_limits_are_those_of_the_documentation() -> None:
    assert (MAX_PIXELS, MAX_SIDE) == (50_000_000, 20_000)


@pytest.mark.parametrize(
    "data",
    [
        png(65_535, 65_535),
        png(2**31 - 1, 1),
        png(1, 2**31 - 1),
        png(2**32 - 1, 2**32 - 1),
        jpeg(65_500, 65_500),
        gif(65_535, 65_535),
        bmp(2**31 - 1, 1),
        bmp(1, -(2**31)),
        webp(2**24, 2**24, kind=b"VP8X"),
        tiff(2**32 - 1, 2**32 - 1),
    ],
    ids=lambda data: ascii(data[:6]),
)
def test_a_bomb_is_refused_by_what_it_admits(data: bytes) -> None:
    with pytest.raises(ImageTooLargeError) as refused:
        sniff(data)
    assert str(MAX_PIXELS) in refused.value.detail


@pytest.mark.parametrize(
    "data",
    [
        png(0, 10),
        png(10, 0),
        png(0, 0),
        jpeg(0, 10),
        gif(0, 10),
        gif(10, 0),
        bmp(0, 10),
        bmp(10, 0),
        bmp(-10, 10),
        webp(0, 10),
        tiff(0, 10),
        tiff(10, 0, order=">"),
    ],
    ids=lambda data: ascii(data[:6]),
)
def test_an_image_without_extent_is_corrupt(data: bytes) -> None:
    with pytest.raises(ImageCorruptError):
        sniff(data)


# C23: everything else


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x0cjP  \r\n\x87\n",
        b"\xff\x4f\xff\x51\x00\x29",
        b"\xff\x0a\xfa\x1f",
        b"\x00\x00\x00\x0cJXL \r\n\x87\n",
        b"\x00\x00\x00\x1cftypavif",
        b"\x00\x00\x00\x18ftypheic",
        b"\x00\x00\x00\x18ftypmp42",
        b"8BPS\x00\x01",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"SIMPLE  =                    T",
        b"\xff\xfe\x00\x10\x00\x10\x01\xff\xff\xff\xff",
        b"v/1\x01\x02\x00\x00\x00",
        bytes(128) + b"DICM",
        b"FUJIFILMCCD-RAW 0201",
        b"II+\x00\x08\x00\x00\x00",
        b"MM\x00+\x00\x08\x00\x00",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
        b"%PDF-1.7\n\xff\xd8\xff\xe0",
        b"push graphic-context\nimage over 0,0 0,0 'mvg:x'",
        b"<image><read filename='msl:x'/></image>",
        b"\x00\x00\x01\x00\x01\x00",
        b"P6 99999 99999 255\n",
        b"PK\x03\x04\xff\xd8\xff",
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"RIFF\x24\x00\x00\x00AVI LIST",
        b"GIF88a\x08\x00\x08\x00",
        b"MZ\x90\x00",
        b"\x7fELF",
        b"\xef\xbb\xbf" + png(),
        b"\n" + jpeg(),
        b"plain text",
        b"\xff",
        b"\xff\xd8",
        b"\x00",
    ],
    ids=lambda data: ascii(data[:16]),
)
def test_what_is_no_supported_image_is_refused_by_its_first_bytes(data: bytes) -> None:
    with pytest.raises(UnsupportedImageTypeError):
        sniff(data + bytes(200))


# Fuzz


@pytest.mark.parametrize("media_type", EVERY_KIND)
def test_only_refusals_escape_from_damaged_headers(media_type: str) -> None:
    dice = random.Random(media_type)
    whole = EVERY_KIND[media_type] + bytes(64)
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(len(data))] = dice.choice(
                [0, 1, 0x7F, 0x80, 0xFF, dice.getrandbits(8)]
            )
        try:
            kind = sniff(bytes(data[: dice.randint(1, len(data))]))
        except RequestError:
            continue
        assert 0 < kind.width <= MAX_SIDE
        assert 0 < kind.height <= MAX_SIDE
        assert kind.width * kind.height <= MAX_PIXELS


@pytest.mark.parametrize("seed", range(4))
def test_only_refusals_escape_from_random_bytes_behind_a_magic(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(1000):
        magic = dice.choice(list(EVERY_KIND.values()))[: dice.choice([2, 4, 8, 12, 16])]
        try:
            sniff(magic + dice.randbytes(dice.choice([1, 10, 100, 1000])))
        except RequestError:
            continue
