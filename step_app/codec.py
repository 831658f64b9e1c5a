"""From untrusted bytes to upright 8-bit RGB pixels.

What a picture becomes before any step sees it: the first frame; EXIF orientation applied (an
invalid value counts as upright); transparency laid on white; 16-bit samples scaled to 8; CMYK
and palettes converted to RGB. Metadata is read for the orientation alone.
"""

import re
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Final

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, UnidentifiedImageError

from step_app.contract.limits import MAX_PIXELS, MAX_SIDE
from step_app.contract.structure import check_structure, png_chunks
from step_app.contract.structure_errors import StructureError
from step_app.errors import (
    EmptyImageError,
    ImageCorruptError,
    ImageTooComplexError,
    ImageTooLargeError,
    ImageTruncatedError,
    StepError,
    TooManyFramesError,
    UnsupportedImageTypeError,
)

ALLOWED_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_JPEG_SCANS: Final = 100
"""A progressive JPEG has about ten; each costs time for every pixel, and thousands take minutes."""
BACKGROUND: Final = (255, 255, 255)

_SIGNATURES: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\x00", b"MM\x00*")
_MEDIA_TYPES: Final = {
    b"\xff\xd8": "image/jpeg",
    b"\x89PNG": "image/png",
    b"RIFF": "image/webp",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
    b"II*": "image/tiff",
    b"MM": "image/tiff",
}
_MIN_HEADER_BYTES: Final = 12
"""A file shorter than this has no header that says more than its type."""
_PNM: Final = (b"P5\n", b"P6\n")
_PNM_HEADER: Final = re.compile(rb"(P[56])\n([1-9]\d{0,4}) ([1-9]\d{0,4})\n255\n")
_END_OF_JPEG: Final = b"\xff\xd9"
_START_OF_SCAN: Final = b"\xff\xda"

_REFUSALS: Final[Mapping[str, type[StepError]]] = {
    error.code: error for error in (ImageCorruptError, ImageTooLargeError, TooManyFramesError)
}
_EXIF_ORIENTATION: Final = 0x0112
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_upright_rgb(data: bytes, *, min_side: int | None = None) -> Image.Image:
    """Decode an image to upright RGB.

    Args:
        data: the bytes of a JPEG, PNG, WebP, GIF, BMP or TIFF file.
        min_side: when given, a JPEG may be decoded at a half, a quarter or an eighth of its
            size as long as both sides stay at least this long, in pixels (libjpeg's scaled
            inverse DCT: fewer operations for the same picture).

    Raises:
        StepError: one of the image errors; never anything else.
    """
    with _judging(data):
        if data.startswith(_PNM):
            return Image.fromarray(_read_pnm(data)).convert("RGB")
        with _open(data) as image:
            if min_side is not None and image.format == "JPEG":
                image.draft(None, (min_side, min_side))
            image.load()
            return _turn_upright(image, _to_rgb(image))


def decode_upright_pixels(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode an image, or a raw picture between two stages, to upright pixels.

    Args:
        data: the bytes of a JPEG, PNG, WebP, GIF, BMP, TIFF or binary PNM file.

    Returns:
        RGB, shape (height, width, 3); a grey PNM stays grey, shape (height, width).

    Raises:
        StepError: one of the image errors; never anything else.
    """
    with _judging(data):
        if data.startswith(_PNM):
            return _read_pnm(data)
        with _open(data) as image:
            if image.format == "JPEG" and image.mode in ("RGB", "L"):
                pixels = _decode_jpeg(data)
                if pixels is not None:
                    return _turn_pixels(image, pixels)
            image.load()
            return np.asarray(_turn_upright(image, _to_rgb(image)))


def media_type_of(data: bytes) -> str:
    """Return the media type of an image that was decoded, by its first bytes."""
    return next((name for magic, name in _MEDIA_TYPES.items() if data.startswith(magic)), "")


@contextmanager
def _judging(data: bytes) -> Iterator[None]:
    """Turn whatever a decoder raises into one of the image errors."""
    if not data:
        raise EmptyImageError
    try:
        with warnings.catch_warnings():
            # Pillow warns about odd metadata and large sizes; the limits here decide.
            warnings.simplefilter("ignore")
            yield
    except StepError:
        raise
    except StructureError as exc:
        raise _REFUSALS[exc.code](str(exc)) from exc
    except Image.DecompressionBombError as exc:
        raise ImageTooLargeError from exc
    except OSError as exc:
        raise _damage(data, exc) from exc
    except MemoryError as exc:
        raise ImageTooLargeError from exc
    except Exception as exc:
        raise ImageCorruptError from exc


def _open(data: bytes) -> Image.Image:
    """Read the header and check what it promises; no pixel is decoded yet."""
    if len(data) >= _MIN_HEADER_BYTES:
        check_structure(data)
    image = Image.open(BytesIO(data), formats=ALLOWED_FORMATS)
    _check_size(image.width, image.height)
    if image.format == "PNG":
        _check_checksums(data)
    if image.format == "JPEG":
        if _END_OF_JPEG not in data:
            # The decoder does not miss an end-of-image marker; a sender who lost it has
            # lost an unknown part of the file.
            raise ImageTruncatedError
        if data.count(_START_OF_SCAN) > MAX_JPEG_SCANS:
            raise ImageTooComplexError
    return image


def _check_checksums(data: bytes) -> None:
    """Check what the decoder does not once it has pixels enough."""
    view = memoryview(data)
    for name, offset in png_chunks(data):
        if name == b"IDAT":
            end = offset + 8 + int.from_bytes(view[offset : offset + 4], "big")
            if zlib.crc32(view[offset + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
                raise ImageCorruptError


def _decode_jpeg(data: bytes) -> npt.NDArray[np.uint8] | None:
    """Decode straight into an array, in two thirds of Pillow's time for the same pixels.

    None when the decoder has anything to say against the file: Pillow then judges it.
    """
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB", strict=True))
    except ValueError:
        return None


def _read_pnm(data: bytes) -> npt.NDArray[np.uint8]:
    found = _PNM_HEADER.match(data)
    if found is None:
        raise ImageCorruptError("The PNM header is not the one that steps write.")
    channels = 3 if found[1] == b"P6" else 1
    width, height = int(found[2]), int(found[3])
    _check_size(width, height)
    surplus = len(data) - found.end() - width * height * channels
    if surplus < 0:
        raise ImageTruncatedError
    if surplus > 0:
        raise ImageCorruptError("The PNM file goes on behind its pixels.")
    pixels = np.frombuffer(data, np.uint8, offset=found.end())
    return pixels.reshape((height, width, 3) if channels > 1 else (height, width))


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageTooLargeError(
            f"The image is {width} x {height} pixels; at most {MAX_PIXELS} pixels and "
            f"{MAX_SIDE} a side are taken."
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith(("I", "F")):
        return _scale_to_8_bit(image).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        canvas = Image.new("RGB", rgba.size, BACKGROUND)
        canvas.paste(rgba, mask=rgba.getchannel("A"))
        return canvas
    return image.convert("RGB")


def _scale_to_8_bit(image: Image.Image) -> Image.Image:
    """Map 16-bit samples 0 to 65535 onto 0 to 255; Pillow's own conversion clips at 255."""
    samples = np.asarray(image)
    if image.mode == "F":
        return Image.fromarray(np.clip(samples, 0, 255).astype(np.uint8))
    return Image.fromarray((np.clip(samples, 0, 65535) // 257).astype(np.uint8))


def _turn_upright(source: Image.Image, image: Image.Image) -> Image.Image:
    turn = _turn_of(source)
    return image if turn is None else image.transpose(turn)


def _turn_pixels(source: Image.Image, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    turn = _turn_of(source)
    if turn is None:
        return pixels
    return np.asarray(Image.fromarray(pixels).transpose(turn))


def _turn_of(source: Image.Image) -> Image.Transpose | None:
    try:
        orientation = source.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:
        return None
    return _UPRIGHT.get(orientation) if isinstance(orientation, int) else None


def _damage(data: bytes, exc: OSError) -> StepError:
    """A JPEG that ends early is truncated; any other file that starts well is corrupt."""
    if isinstance(exc, UnidentifiedImageError) and not data.startswith(_SIGNATURES):
        return UnsupportedImageTypeError()
    if len(data) < _MIN_HEADER_BYTES:
        return UnsupportedImageTypeError()
    ends_early = "truncated" in str(exc).lower() or _END_OF_JPEG not in data
    is_jpeg = data.startswith(b"\xff\xd8")
    return ImageTruncatedError() if is_jpeg and ends_early else ImageCorruptError()
