"""Where each kind of image keeps its size, and headers that contradict their kind."""

import struct
import time

import pytest

from dispatcher.errors import (
    ImageCorruptError,
    UnsupportedImageTypeError,
)
from dispatcher.intake.sniffing import ImageKind, sniff
from tests.dispatcher.images import (
    PNG_MAGIC,
    bmp,
    jpeg,
    tiff,
    webp,
)


@pytest.mark.parametrize("marker", sorted(set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}))
def test_every_start_of_frame_of_a_jpeg_tells_its_size(marker: int) -> None:
    assert sniff(jpeg(30, 20, marker=marker)) == ImageKind("image/jpeg", 30, 20)


@pytest.mark.parametrize("marker", [0xC4, 0xC8, 0xCC])
def test_tables_of_a_jpeg_are_no_start_of_frame(marker: int) -> None:
    table = bytes([0xFF, marker]) + struct.pack(">H", 8) + bytes(6)
    assert sniff(jpeg(30, 20, before=table)).width == 30


def test_a_jpeg_whose_height_comes_later_is_left_to_the_decoder() -> None:
    assert sniff(jpeg(30, 0)).width == 30


@pytest.mark.parametrize(
    "before",
    [
        b"\xff\xff\xff\xff\xe0\x00\x02",
        b"\xff\xe0\x00\x04ab junk between segments",
        b"\xff\xe1\xff\xff" + bytes(65_533),
        (b"\xff\xe1\xff\xff" + bytes(65_533)) * 200,
        b"\xff\xd0\xff\x01",
        b"\xff\xe0\x00\x00",
        b"\xff\xfe\x00\x08\xff\xc0\xff\xc0\xff\xc0",
    ],
    ids=["fill", "junk", "long", "13 MB of segments", "no length", "length 0", "inside a comment"],
)
def test_the_frame_of_a_jpeg_is_found_behind_other_segments(before: bytes) -> None:
    assert sniff(jpeg(30, 20, before=before)) == ImageKind("image/jpeg", 30, 20)


@pytest.mark.parametrize(
    "before",
    [
        b"\xff\xe0\x00\x02" + bytes(20_000_000),
        b"\xff\xe0\x00\x02" + b"\xff" * 20_000_000,
        b"\xff\xe0\x00\x02" * 5_000_000,
        b"\xff\xd8" * 10_000_000,
        b"\xff\xe0\x00\x02" + (bytes(100_000) + b"\xff\xd0") * 200,
    ],
    ids=["zeros", "fill bytes", "empty segments", "starts", "junk again and again"],
)
def test_a_jpeg_of_nothing_but_structure_costs_no_time(before: bytes) -> None:
    data = b"\xff\xd8\xff" + before[1:]
    started = time.process_time()
    with pytest.raises((ImageCorruptError, UnsupportedImageTypeError)):
        sniff(data)
    assert time.process_time() - started < 0.1


def test_a_jpeg_that_ends_before_its_frame_is_refused() -> None:
    with pytest.raises((ImageCorruptError, UnsupportedImageTypeError)):
        sniff(b"\xff\xd8\xff\xe0\x00\x04JF\xff\xd9")


@pytest.mark.parametrize(
    "data",
    [
        PNG_MAGIC + struct.pack(">I4sII", 13, b"IDAT", 8, 8),
        PNG_MAGIC + struct.pack(">I4sII", 14, b"IHDR", 8, 8),
        PNG_MAGIC + bytes(64),
        webp().replace(b"VP8 ", b"ICCP"),
        b"II*\x00\x08\x00\x00\x00\x00\x00" + bytes(64),
        b"II*\x00\x08\x00\x00\x00\x01\x00" + struct.pack("<HHII", 0x100, 4, 1, 8) + bytes(64),
    ],
    ids=["no IHDR", "long IHDR", "zeros", "no frame", "no entries", "no height"],
)
def test_a_header_that_contradicts_its_format_is_corrupt(data: bytes) -> None:
    with pytest.raises(ImageCorruptError):
        sniff(data)


def test_a_bmp_may_run_from_top_to_bottom() -> None:
    assert sniff(bmp(30, -20)) == ImageKind("image/bmp", 30, 20)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("offset", [8, 100, 1_000_000])
def test_the_directory_of_a_tiff_may_lie_anywhere(order: str, offset: int) -> None:
    assert sniff(tiff(30, 20, order=order, offset=offset)) == ImageKind("image/tiff", 30, 20)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_size_of_a_tiff_may_be_short_or_long(order: str) -> None:
    short = struct.pack(f"{order}HHIHH", 0x100, 3, 1, 30, 0)
    long = struct.pack(f"{order}HHII", 0x101, 4, 1, 20)
    magic = b"II*\x00" if order == "<" else b"MM\x00*"
    data = magic + struct.pack(f"{order}IH", 8, 2) + short + long
    assert sniff(data) == ImageKind("image/tiff", 30, 20)


def test_a_tiff_whose_directory_lies_outside_is_refused() -> None:
    for offset in (9_999, 2**32 - 1):
        with pytest.raises((ImageCorruptError, UnsupportedImageTypeError)):
            sniff(b"II*\x00" + struct.pack("<I", offset) + bytes(64))
