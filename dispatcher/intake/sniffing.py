"""What kind of image some bytes are, by their first few kilobytes, without decoding.

Headers can lie, so the replica checks again; but what a header admits is refused here, before
it costs a replica anything. Only structure is read, 64 KiB of it at most: sizes here, frames
and pieces by the same rules as the replica's (``contract/structure``).
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from dispatcher.errors import (
    EmptyFileError,
    ImageCorruptError,
    ImageTooLargeError,
    RequestError,
    TooManyFramesError,
    UnsupportedImageTypeError,
)
from step_app.contract.limits import MAX_PIXELS, MAX_SIDE
from step_app.contract.structure import check_structure, jpeg_segments
from step_app.contract.structure_errors import StructureError

_START_OF_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_REFUSALS: Final[Mapping[str, type[RequestError]]] = {
    error.code: error for error in (ImageCorruptError, ImageTooLargeError, TooManyFramesError)
}


@dataclass(frozen=True, slots=True)
class ImageKind:
    """What the header says."""

    media_type: str
    width: int
    height: int


def sniff(data: bytes) -> ImageKind:
    """Return the kind and size of an image.

    Raises:
        EmptyFileError: no bytes.
        UnsupportedImageTypeError: not the start of a format that is read.
        ImageCorruptError: the header, or what follows it, contradicts its format.
        ImageTooLargeError: more pixels than are taken.
        TooManyFramesError: more frames than are taken.
    """
    if not data:
        raise EmptyFileError
    for magic, (media_type, read_size) in _FORMATS.items():
        if data.startswith(magic) and (media_type != "image/webp" or data[8:12] == b"WEBP"):
            try:
                width, height = read_size(data)
                _check_size(width, height)
                check_structure(data)
            except (struct.error, IndexError) as exc:
                raise UnsupportedImageTypeError("The file ends within its header.") from exc
            except StructureError as exc:
                raise _REFUSALS[exc.code](str(exc)) from exc
            return ImageKind(media_type, width, height)
    raise UnsupportedImageTypeError("JPEG, PNG, WebP, GIF, BMP and TIFF are read.")


def _check_size(width: int, height: int) -> None:
    if width <= 0 or height <= 0:
        raise ImageCorruptError("The header gives no size.")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageTooLargeError(
            f"The image is {width} x {height} pixels; at most {MAX_PIXELS} pixels and "
            f"{MAX_SIDE} a side are taken."
        )


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Walk the segments up to the frame header."""
    for marker, offset in jpeg_segments(data):
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", data, offset + 3)
            return width, height or 1  # height 0: a later marker tells, the decoder checks it
    raise ImageCorruptError("The picture begins without a frame header.")


def _png_size(data: bytes) -> tuple[int, int]:
    length, kind, width, height = struct.unpack_from(">I4sII", data, 8)
    if (length, kind) != (13, b"IHDR"):
        raise ImageCorruptError("The first chunk is no image header.")
    return width, height


def _gif_size(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH3x", data, 6)
    return width, height


def _bmp_size(data: bytes) -> tuple[int, int]:
    if struct.unpack_from("<I", data, 14)[0] == 12:  # noqa: PLR2004 - the OS/2 header
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return width, abs(height)  # negative: rows run from top to bottom


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", data, 24)
        return low_w + (high_w << 16) + 1, low_h + (high_h << 16) + 1
    raise ImageCorruptError("The first chunk is no image header.")


def _tiff_size(data: bytes) -> tuple[int, int]:
    """Read width and height from the first directory; it may lie anywhere in the file."""
    order = "<" if data[:2] == b"II" else ">"
    offset = struct.unpack_from(f"{order}I", data, 4)[0]
    entries = struct.unpack_from(f"{order}H", data, offset)[0]
    sizes = {}
    for index in range(min(entries, 512)):
        entry = offset + 2 + 12 * index
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        if tag in (0x100, 0x101):
            value = f"{order}H" if kind == 3 else f"{order}I"  # noqa: PLR2004 - 3 is SHORT
            sizes[tag] = struct.unpack_from(value, data, entry + 8)[0]
    if len(sizes) != 2:  # noqa: PLR2004 - width and height
        raise ImageCorruptError("The first directory gives no size.")
    return sizes[0x100], sizes[0x101]


_SizeReader = Callable[[bytes], tuple[int, int]]
_FORMATS: Final[Mapping[bytes, tuple[str, _SizeReader]]] = {
    b"\xff\xd8\xff": ("image/jpeg", _jpeg_size),
    b"\x89PNG\r\n\x1a\n": ("image/png", _png_size),
    b"RIFF": ("image/webp", _webp_size),
    b"GIF87a": ("image/gif", _gif_size),
    b"GIF89a": ("image/gif", _gif_size),
    b"BM": ("image/bmp", _bmp_size),
    b"II*\x00": ("image/tiff", _tiff_size),
    b"MM\x00*": ("image/tiff", _tiff_size),
}
