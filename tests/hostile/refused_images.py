"""Images that are refused at once: rows C01 to C24 of which nothing is ever decoded."""

from collections.abc import Callable, Sequence
from typing import Final

from step_app.contract.limits import MAX_IMAGE_BYTES, MAX_SIDE
from tests.dispatcher import images as headers
from tests.hostile import animations, jpegs, pngs
from tests.hostile.rows import ImageRow

CORRUPT, TOO_LARGE, FOREIGN = "image_corrupt", "image_too_large", "unsupported_image_type"
FRAMES: Final = "too_many_frames"


def _refused(id: str, what: str, make: Callable[[], bytes], code: str, why: str = "") -> ImageRow:
    status = 415 if code == FOREIGN else 413 if code == "payload_too_large" else 422
    return ImageRow(id=id, what=what, make=make, status=status, code=code, corrected=why)


def _constant(data: bytes) -> Callable[[], bytes]:
    return lambda: data


_EMPTY: Final = [
    _refused("C01", "zero bytes", _constant(b""), "empty_file"),
    _refused("C02", "one byte", _constant(b"\xff"), FOREIGN),
    *(
        _refused("C02", f"{length} bytes of {media_type}", _constant(data[:length]), FOREIGN)
        for media_type, data in headers.EVERY_KIND.items()
        for length in (2, 3, 8, 11)
    ),
]
_SIZES: Final = [
    _refused("C04", "PNG, header checksum", lambda: pngs.with_wrong_checksum(b"IHDR"), CORRUPT),
    _refused("C05", "PNG of 65,535 squared", lambda: pngs.header_only(65535, 65535), TOO_LARGE),
    _refused("C06", "PNG, 2^31 - 1 wide", lambda: pngs.header_only(2**31 - 1, 1), TOO_LARGE),
    _refused("C06", "PNG, 2^31 - 1 high", lambda: pngs.header_only(1, 2**31 - 1), TOO_LARGE),
    _refused("C06", "PNG, no width", lambda: pngs.header_only(0, 10), CORRUPT),
    _refused("C19", "JPEG of 65,500 squared", lambda: jpegs.of_size(65500, 65500), TOO_LARGE),
    _refused("C20", "a pixel too many", lambda: pngs.header_only(10_000, 5_001), TOO_LARGE),
    _refused("C20", "a side too long", lambda: pngs.header_only(MAX_SIDE + 1, 1), TOO_LARGE),
    _refused(
        "C20",
        "a byte too many",
        lambda: jpegs.plain() + bytes(MAX_IMAGE_BYTES + 1 - len(jpegs.plain())),
        "payload_too_large",
    ),
    _refused("C20", "GIF, a frame too many", lambda: animations.gif(61), FRAMES),
    _refused("C20", "WebP, a frame too many", lambda: animations.webp(61), FRAMES),
]
_ANIMATIONS: Final = [
    _refused("C08", "GIF of 100,000 frames", lambda: animations.gif(100_000), FRAMES),
    _refused(
        "C08", "GIF, a vast screen", lambda: animations.gif(1, screen=(65535,) * 2), TOO_LARGE
    ),
    _refused(
        "C08",
        "GIF, a vast frame on a small screen",
        lambda: animations.gif_head() + animations.gif_frame(65535, 65535) + animations.GIF_END,
        TOO_LARGE,
    ),
    _refused("C08", "GIF without an end", lambda: animations.gif(1, end=b""), CORRUPT),
    _refused("C08", "GIF of extensions", lambda: animations.gif_of_extensions(4_000_000), CORRUPT),
    _refused("C08", "GIF, extensions cut", lambda: animations.gif_of_extensions(100), CORRUPT),
    _refused("C09", "WebP of 500 frames", lambda: animations.webp(500), FRAMES),
    _refused("C09", "WebP of a million chunks", lambda: animations.webp_of_chunks(10**6), CORRUPT),
    _refused(
        "C10",
        "TIFF of 10,000 directories",
        lambda: animations.tiff(animations.tiff_entries(), pictures=10_000),
        FRAMES,
    ),
    _refused(
        "C10",
        "TIFF, a directory before itself",
        lambda: animations.tiff(animations.tiff_entries(), next_at=8),
        CORRUPT,
    ),
    _refused(
        "C10",
        "TIFF, a strip of 4 GiB",
        lambda: animations.tiff(animations.tiff_entries(strip_bytes=2**32 - 1)),
        CORRUPT,
    ),
    _refused(
        "C10",
        "TIFF, a tile without size",
        lambda: animations.tiff(animations.tiff_entries(tile_width=0, tile_height=0)),
        CORRUPT,
    ),
    _refused(
        "C10",
        "BigTIFF",
        lambda: animations.tiff(animations.tiff_entries(), magic=43),
        FOREIGN,
    ),
]
_PIECES: Final = [
    _refused(
        "C16",
        "JPEG, five million empty segments",
        lambda: jpegs.with_segments(*[jpegs.segment(0xE5, b"")] * 4_900_000),
        CORRUPT,
        "not a row: without a cap a replica's decoder takes 5 s and 700 MB for it",
    ),
    _refused(
        "C16",
        "JPEG, a million pieces of EXIF behind the frame header",
        lambda: jpegs.with_segments_behind_frame(*[jpegs.exif(b"x")] * 1_600_000),
        CORRUPT,
        "not a row: without a cap a replica's decoder joins them for more than 25 s",
    ),
    _refused(
        "C07",
        "PNG, a million empty chunks",
        lambda: pngs.many_chunks(b"prVt", b"", 1_600_000),
        CORRUPT,
        "not a row: without a cap a replica's decoder takes 3 s for it",
    ),
]
_FOREIGN: Final[Sequence[tuple[str, str, bytes]]] = [
    ("C22", "ICO", b"\x00\x00\x01\x00\x01\x00"),
    ("C22", "PNM", b"P6 99999 99999 255\n"),
    ("C23", "JPEG 2000", b"\x00\x00\x00\x0cjP  \r\n\x87\n"),
    ("C23", "JPEG XL", b"\xff\x0a\xfa\x1f"),
    ("C23", "AVIF", b"\x00\x00\x00\x1cftypavif"),
    ("C23", "HEIC", b"\x00\x00\x00\x18ftypheic"),
    ("C23", "PSD", b"8BPS\x00\x01"),
    ("C23", "EPS", b"%!PS-Adobe-3.0 EPSF-3.0"),
    ("C23", "FITS", b"SIMPLE  =                    T"),
    ("C23", "GD", b"\xff\xfe\x00\x10\x00\x10\x01\xff\xff\xff\xff"),
    ("C23", "EXR", b"v/1\x01\x02\x00\x00\x00"),
    ("C23", "DICOM", bytes(128) + b"DICM"),
    ("C23", "RAW", b"FUJIFILMCCD-RAW 0201"),
    ("C23", "PDF", b"%PDF-1.7\n\xff\xd8\xff\xe0"),
    ("C23", "MP4", b"\x00\x00\x00\x18ftypmp42"),
    ("C23", "MVG", b"push graphic-context\nimage over 0,0 0,0 'mvg:x'"),
    ("C23", "MSL", b"<image><read filename='msl:x'/></image>"),
    ("C24", "SVG with a script", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>"),
    (
        "C24",
        "SVG with an external entity",
        b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg>&x;</svg>",
    ),
    ("C24", "SVG with a file's link", b"<svg><image href='file:///etc/passwd'/></svg>"),
    (
        "C24",
        "SVG, a billion laughs",
        b"<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]><svg>&b;</svg>",
    ),
    ("C25", "PDF that holds a JPEG", b"%PDF-1.7\n" + jpegs.START + b"\xff\xe0"),
]
REFUSED_IMAGES: Final[Sequence[ImageRow]] = [
    *_EMPTY,
    *_SIZES,
    *_ANIMATIONS,
    *_PIECES,
    *(_refused(id, what, _constant(data + bytes(200)), FOREIGN) for id, what, data in _FOREIGN),
]
