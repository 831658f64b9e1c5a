"""Images whose header is in order: they are accepted, and end as their content deserves."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from step_app.contract.limits import MAX_IMAGE_BYTES, MAX_SIDE
from tests.hostile import animations, jpegs, pngs
from tests.hostile.rows import ANY_END, ImageRow
from tests.step_app.pictures import KINDS, encode, rotated_by_exif, small_photo

CORRUPT, TRUNCATED = frozenset({"image_corrupt"}), frozenset({"image_truncated"})
DONE: Final = frozenset({"completed"})
_DEEP: Final = [kind for kind in KINDS if kind.split("-")[0] in ("1", "2", "4", "16")]
_SEE_THROUGH: Final = [
    kind for kind in KINDS if "alpha" in kind or "RGBA" in kind or "tRNS" in kind
]


def _row(
    id: str, what: str, make: Callable[[], bytes], ends: frozenset[str] = DONE, why: str = ""
) -> ImageRow:
    return ImageRow(id=id, what=what, make=make, ends=ends, corrected=why)


def _kind(name: str) -> Callable[[], bytes]:
    return lambda: KINDS[name](small_photo("koala", 120)).data


def _turned(orientation: int, image_format: str) -> Callable[[], bytes]:
    return lambda: rotated_by_exif(small_photo("koala", 120), orientation, image_format)


def _bytes_behind(data: Callable[[], bytes], count: int) -> Callable[[], bytes]:
    return lambda: data() + bytes(count)


_DAMAGED: Final = [
    *(
        _row("C03", f"JPEG cut at {part:.0%}", partial(jpegs.cut, part), TRUNCATED)
        for part in (0.25, 0.5, 0.9, 0.99)
    ),
    _row("C03", "JPEG without its end", jpegs.without_end, TRUNCATED),
    _row("C04", "PNG cut within its pixels", pngs.cut_within_pixels, CORRUPT),
    _row("C04", "PNG, pixel checksum", lambda: pngs.with_wrong_checksum(b"IDAT"), CORRUPT),
]
_BOMBS: Final = [
    _row("C07", "PNG, pixels inflate", pngs.pixel_bomb, DONE, "surplus pixels are never inflated"),
    _row("C07", "PNG, a text inflates", lambda: pngs.chunk_bomb(b"zTXt"), DONE | CORRUPT),
    _row("C07", "PNG, a long text inflates", lambda: pngs.chunk_bomb(b"iTXt"), DONE | CORRUPT),
    _row("C07", "PNG, a profile inflates", lambda: pngs.chunk_bomb(b"iCCP"), DONE | CORRUPT),
    _row(
        "C11",
        "TIFF, pixels inflate",
        animations.tiff_bomb,
        DONE | CORRUPT,
        "the strip's size bounds what is inflated, so it is no matter of size",
    ),
    _row(
        "C17",
        "JPEG of 10,000 scans",
        lambda: jpegs.with_scans(10_000),
        frozenset({"image_too_complex"}),
        "refused by its structure before any time is spent, not by a timeout",
    ),
    _row("C17", "JPEG of 100 scans", lambda: jpegs.with_scans(100)),
]
_ANIMATIONS: Final = [
    _row("C09", "WebP of 60 frames", lambda: animations.webp(60)),
    _row("C20", "GIF of 60 frames", lambda: animations.gif(60)),
    _row("C09", "animated PNG", lambda: pngs.animated(3)),
    _row(
        "C10",
        "TIFF of 60 directories",
        lambda: animations.tiff(animations.tiff_entries(), pictures=60),
    ),
]
_PIXELS: Final = [
    _row(
        "C12",
        "CMYK JPEG without Adobe's marker",
        lambda: jpegs.cmyk(None),
        why="read as inverted, too: whoever writes such files follows Adobe",
    ),
    _row("C12", "CMYK JPEG", lambda: jpegs.cmyk(0)),
    _row("C12", "YCCK JPEG", lambda: jpegs.cmyk(2)),
    *(_row("C13", kind, _kind(kind)) for kind in _DEEP),
    _row("C13", "interlaced PNG", _kind("interlaced PNG")),
    *(_row("C14", kind, _kind(kind)) for kind in _SEE_THROUGH),
    *(
        _row(
            "C15", f"{image_format}, orientation {orientation}", _turned(orientation, image_format)
        )
        for image_format in ("JPEG", "PNG", "WEBP")
        for orientation in (0, 1, 6, 8, 9, 65_535)
    ),
]
_METADATA: Final = [
    _row(
        "C16",
        "JPEG with 200 long pieces of EXIF",
        lambda: jpegs.with_segments(*[jpegs.exif(bytes(65_000))] * 200),
    ),
    _row("C16", "EXIF in a circle", lambda: jpegs.with_segments(jpegs.exif(jpegs.exif_loop()))),
    _row(
        "C16",
        "EXIF whose entries claim all of it",
        lambda: jpegs.with_segments(jpegs.exif(jpegs.exif_bomb(5000))),
    ),
    _row(
        "C16",
        "XMP of 10 MB",
        lambda: jpegs.with_segments(
            *[jpegs.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"<x/>" * 16_000)] * 160
        ),
    ),
    _row("C16", "a profile of 10 MB", lambda: jpegs.plain(icc_profile=bytes(10_000_000))),
    _row("C16", "a broken profile", lambda: jpegs.plain(icc_profile=b"no profile" * 50)),
]
_ODD_JPEGS: Final = [
    _row("C18", "height in a later segment", jpegs.with_late_height, ANY_END),
    _row("C18", "no height at all", lambda: jpegs.of_size(64, 0), ANY_END),
    _row("C18", "arithmetic coding", lambda: jpegs.with_frame_kind(0xC9), ANY_END),
    _row("C18", "lossless", lambda: jpegs.with_frame_kind(0xC3), ANY_END),
    _row("C18", "12 bits", lambda: jpegs.with_precision(12), ANY_END),
    _row("C18", "colour at a quarter", jpegs.subsampled_4_1_0, ANY_END),
    _row("C18", "restart markers in disorder", jpegs.with_broken_restarts, ANY_END),
]
_LIMITS: Final = [
    _row("C20", "as many pixels as allowed", lambda: pngs.black(10_000, 5_000)),
    _row(
        "C20",
        "as many bytes as allowed",
        lambda: jpegs.plain().ljust(MAX_IMAGE_BYTES, b"\0"),
    ),
    _row("C21", "one pixel", lambda: pngs.black(1, 1)),
    _row("C21", "a line as long as allowed", lambda: pngs.black(MAX_SIDE, 1)),
    _row("C21", "a column as long as allowed", lambda: pngs.black(1, MAX_SIDE)),
    _row("C22", "BMP from top to bottom", lambda: animations.bmp(64, -64)),
    _row(
        "C22",
        "BMP of a few runs that claims 50 megapixels",
        lambda: animations.bmp(
            10_000, 5_000, bits=8, packing=1, palette=256, pixels=b"\xff\x01" * 1000
        ),
        DONE | CORRUPT,
    ),
    _row("C22", "BMP without colours", lambda: animations.bmp(64, 64, bits=8), DONE | CORRUPT),
    _row("C22", "BMP of 3 bits", lambda: animations.bmp(64, 64, bits=3), CORRUPT),
    _row("C33", "all black", lambda: pngs.black(300, 200)),
    _row("C33", "all white", lambda: encode(small_photo("koala").point([255] * 768), "PNG")),
]
_MIXED: Final = [
    _row("C25", "JPEG and ZIP", lambda: jpegs.plain() + b"PK\x03\x04" + bytes(100)),
    _row("C25", "GIF and script", lambda: animations.gif(1) + b"=1;alert(1)//"),
    _row("C25", "PNG and PHP", lambda: pngs.plain() + b"<?php system($_GET['c']); ?>"),
    _row(
        "C25",
        "JPEG with a page in its comment",
        lambda: jpegs.with_segments(jpegs.segment(0xFE, b"<html><script>alert(1)</script>")),
    ),
    _row("C27", "JPEG with a byte behind it", _bytes_behind(jpegs.plain, 1)),
    _row("C27", "JPEG with 10 MB behind it", _bytes_behind(jpegs.plain, 10_000_000)),
    _row("C27", "PNG with 10 MB behind it", _bytes_behind(pngs.plain, 10_000_000)),
]
ACCEPTED_IMAGES: Final[Sequence[ImageRow]] = [
    *_DAMAGED,
    *_BOMBS,
    *_ANIMATIONS,
    *_PIXELS,
    *_METADATA,
    *_ODD_JPEGS,
    *_LIMITS,
    *_MIXED,
]
