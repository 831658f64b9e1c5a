"""Image files of every kind a stranger may send, made from pixels, with what each must show."""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

REPOSITORY: Final = Path(__file__).parents[2]
SAMPLE_PHOTOS: Final = REPOSITORY / "images"
SHARED_PHOTOS: Final = REPOSITORY.parent / "shared" / "photos"
"""Labelled ImageNet photos; not part of the repository."""

Samples = npt.NDArray[Any]

PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
_ADAM7: Final = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))  # fmt: skip # noqa: E501


@dataclass(frozen=True, slots=True)
class Sample:
    """A file and the upright RGB picture that it must decode to."""

    data: bytes
    shows: Image.Image


def photo(name: str) -> bytes:
    return (SAMPLE_PHOTOS / f"{name}.jpg").read_bytes()


def small_photo(name: str, longer_side: int = 400) -> Image.Image:
    with Image.open(BytesIO(photo(name))) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((longer_side, longer_side))
    return picture


def encode(picture: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, image_format, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def png_header(
    width: int, height: int, *, depth: int = 8, colour: int = RGB, interlaced: bool = False
) -> bytes:
    """Return the magic and the first chunk of a PNG."""
    body = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return PNG_MAGIC + png_chunk(b"IHDR", body)


def write_png(
    samples: Samples,
    *,
    depth: int,
    colour: int,
    extra: bytes = b"",
    interlaced: bool = False,
) -> bytes:
    """Write a PNG of a kind that Pillow itself cannot write; ``extra`` chunks precede the data."""
    height, width = samples.shape[:2]
    passes = [samples]
    if interlaced:
        passes = [samples[top::down, left::right] for top, left, down, right in _ADAM7]
    rows = b"".join(b"\x00" + row for part in passes for row in _pack_rows(part, depth))
    return (
        png_header(width, height, depth=depth, colour=colour, interlaced=interlaced)
        + extra
        + png_chunk(b"IDAT", zlib.compress(rows, 1))
        + png_chunk(b"IEND", b"")
    )


def _pack_rows(samples: Samples, depth: int) -> Iterator[bytes]:
    for row in samples if samples.size else ():
        if depth == 16:
            yield row.astype(">u2").tobytes()
        elif depth == 8:
            yield row.astype(np.uint8).tobytes()
        else:
            bits = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - depth :]
            yield np.packbits(bits.ravel()).tobytes()


def rotated_by_exif(upright: Image.Image, orientation: int, image_format: str) -> bytes:
    """Store a picture turned, with the EXIF orientation that turns it upright again."""
    turns: Mapping[int, Image.Transpose] = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    turn = turns.get(orientation)
    stored = upright if turn is None else upright.transpose(turn)
    if image_format == "TIFF":
        return encode(stored, "TIFF", tiffinfo={0x0112: orientation})
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(stored, image_format, exif=exif, quality=95)


def _over_white(rgb: Image.Image, alpha: Image.Image) -> Image.Image:
    return Image.composite(rgb, Image.new("RGB", rgb.size, "white"), alpha)


def _alpha_for(picture: Image.Image) -> Image.Image:
    """Return an alpha channel that hides the corners of a picture and keeps its middle."""
    ys, xs = np.mgrid[-1 : 1 : picture.height * 1j, -1 : 1 : picture.width * 1j]
    return Image.fromarray((np.clip(2.6 - 2 * np.hypot(xs, ys), 0, 1) * 255).astype(np.uint8))


def _grey_png(picture: Image.Image, depth: int) -> Sample:
    levels = np.asarray(picture.convert("L")) >> (8 - depth)
    scale = 255 // (2**depth - 1)
    shown = Image.fromarray((levels * scale).astype(np.uint8)).convert("RGB")
    return Sample(write_png(levels, depth=depth, colour=GREY), shown)


def _palette_png(picture: Image.Image, *, see_through: bool) -> Sample:
    indexed = picture.quantize(255)
    if not see_through:
        return Sample(encode(indexed, "PNG"), indexed.convert("RGB"))
    indices = np.asarray(indexed).copy()
    indices[:20] = 255
    palette = bytes(indexed.getpalette() or ()).ljust(768, b"\x00")
    extra = png_chunk(b"PLTE", palette) + png_chunk(b"tRNS", b"\xff" * 255 + b"\x00")
    shown = indexed.convert("RGB")
    shown.paste("white", (0, 0, shown.width, 20))
    return Sample(write_png(indices, depth=8, colour=PALETTE, extra=extra), shown)


def _colour_key_png(picture: Image.Image, *, colour: int) -> Sample:
    """Return a PNG in which one value, here black, stands for "nothing is here"."""
    samples = np.asarray(picture.convert("L" if colour == GREY else "RGB")).clip(1, 255).copy()
    samples[:20] = 0
    shown = Image.fromarray(samples).convert("RGB")
    shown.paste("white", (0, 0, shown.width, 20))
    key = png_chunk(b"tRNS", bytes(2 if colour == GREY else 6))
    return Sample(write_png(samples, depth=8, colour=colour, extra=key), shown)


def _alpha_file(picture: Image.Image, mode: str, image_format: str, **options: Any) -> Sample:
    alpha = _alpha_for(picture)
    base = picture.convert("L") if mode == "LA" else picture
    stored = base.convert(mode)
    stored.putalpha(alpha)
    return Sample(encode(stored, image_format, **options), _over_white(base.convert("RGB"), alpha))


def _deep_png(picture: Image.Image, colour: int) -> Sample:
    """Return a PNG of 16 bits a sample."""
    mode = {GREY: "L", RGB: "RGB", GREY_ALPHA: "LA", RGB_ALPHA: "RGBA"}[colour]
    samples = np.asarray(picture.convert(mode)).astype(np.uint16) * 257
    shown = picture.convert("L" if mode[0] == "L" else "RGB").convert("RGB")
    return Sample(write_png(samples, depth=16, colour=colour), shown)


def _grey_numbers(picture: Image.Image, dtype: type, factor: int, image_format: str) -> Sample:
    grey = picture.convert("L")
    numbers = Image.fromarray(np.asarray(grey).astype(dtype) * dtype(factor))
    return Sample(encode(numbers, image_format), grey.convert("RGB"))


def _plain(mode: str, image_format: str, **options: Any) -> Callable[[Image.Image], Sample]:
    def make(picture: Image.Image) -> Sample:
        stored = picture.convert(mode)
        return Sample(encode(stored, image_format, **options), stored.convert("RGB"))

    return make


def _gif(picture: Image.Image) -> Sample:
    indexed = picture.quantize(256)
    return Sample(encode(indexed, "GIF"), indexed.convert("RGB"))


def _mpo(picture: Image.Image) -> Sample:
    second = Image.new("RGB", (64, 64), "red")
    return Sample(
        encode(picture, "MPO", quality=95, save_all=True, append_images=[second]), picture
    )


def _interlaced(picture: Image.Image) -> Sample:
    return Sample(write_png(np.asarray(picture), depth=8, colour=RGB, interlaced=True), picture)


KINDS: Final[Mapping[str, Callable[[Image.Image], Sample]]] = {
    "JPEG": _plain("RGB", "JPEG", quality=95),
    "progressive JPEG": _plain("RGB", "JPEG", quality=95, progressive=True),
    "grayscale JPEG": _plain("L", "JPEG", quality=95),
    "CMYK JPEG": _plain("CMYK", "JPEG", quality=95),
    "JPEG with a second picture behind it (MPO)": _mpo,
    "PNG": _plain("RGB", "PNG", compress_level=1),
    "interlaced PNG": _interlaced,
    "1-bit grey PNG": lambda picture: _grey_png(picture, 1),
    "2-bit grey PNG": lambda picture: _grey_png(picture, 2),
    "4-bit grey PNG": lambda picture: _grey_png(picture, 4),
    "8-bit grey PNG": lambda picture: _grey_png(picture, 8),
    "dithered 1-bit PNG": _plain("1", "PNG"),
    "grey PNG with a transparent grey": lambda picture: _colour_key_png(picture, colour=GREY),
    "RGB PNG with a transparent colour": lambda picture: _colour_key_png(picture, colour=RGB),
    "grey PNG with alpha": lambda picture: _alpha_file(picture, "LA", "PNG"),
    "RGBA PNG": lambda picture: _alpha_file(picture, "RGBA", "PNG", compress_level=1),
    "palette PNG": lambda picture: _palette_png(picture, see_through=False),
    "palette PNG with tRNS": lambda picture: _palette_png(picture, see_through=True),
    "16-bit grey PNG": lambda picture: _deep_png(picture, GREY),
    "16-bit grey PNG with alpha": lambda picture: _deep_png(picture, GREY_ALPHA),
    "16-bit RGB PNG": lambda picture: _deep_png(picture, RGB),
    "16-bit RGBA PNG": lambda picture: _deep_png(picture, RGB_ALPHA),
    "WebP": _plain("RGB", "WEBP", quality=95),
    "lossless RGBA WebP": lambda picture: _alpha_file(
        picture, "RGBA", "WEBP", lossless=True, exact=True, method=0
    ),
    "GIF": _gif,
    "BMP": _plain("RGB", "BMP"),
    "8-bit grey BMP": _plain("L", "BMP"),
    "TIFF": _plain("RGB", "TIFF"),
    "TIFF packed with LZW": _plain("RGB", "TIFF", compression="tiff_lzw"),
    "CMYK TIFF": _plain("CMYK", "TIFF"),
    "16-bit grey TIFF": lambda picture: _grey_numbers(picture, np.uint16, 257, "TIFF"),
    "TIFF of floats": lambda picture: _grey_numbers(picture, np.float32, 1, "TIFF"),
}
"""Every kind of file by name: how to make one of a picture, and what it then shows."""
