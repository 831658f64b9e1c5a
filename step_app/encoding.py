"""From pixels to a picture that somebody can open, or that the next stage can take as it is."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from step_app.contract.pictures import EXTENSIONS, RAW_MEDIA_TYPE, Picture
from step_app.errors import ImageTooLargeError, StepFailedError

JPEG_QUALITY: Final = 90
WEBP_QUALITY: Final = 90
_MAX_WEBP_SIDE: Final = 16_383
_COLOUR_UNIT: Final = 16
_GREY_UNIT: Final = 8
"""Columns of a JPEG's coding unit, with colour at half resolution and without colour."""


def encode_picture(
    pixels: npt.NDArray[np.uint8], media_type: str, *, data: Mapping[str, Any] | None = None
) -> Picture:
    """Encode RGB or grey pixels, shape (height, width, 3) or (height, width).

    JPEGs are written with quality 90, colour at half resolution, and a restart marker after
    each row of coding units: chunks of whole units can so be joined without decoding them.

    Raises:
        ImageTooLargeError: the format cannot hold so long a side.
    """
    height, width = pixels.shape[:2]
    body = (
        _pnm(pixels) if media_type == RAW_MEDIA_TYPE else _encode(pixels, media_type, width, height)
    )
    return Picture(media_type=media_type, width=width, height=height, body=body, data=data or {})


def _pnm(pixels: npt.NDArray[np.uint8]) -> bytes:
    height, width = pixels.shape[:2]
    magic = "P6" if pixels.ndim > 2 else "P5"  # noqa: PLR2004 - with or without colour
    head = f"{magic}\n{width} {height}\n255\n".encode()
    # Straight from the array where it lies in one piece: one copy instead of two.
    return b"".join([head, np.ascontiguousarray(pixels).data.cast("B")])


def _encode(pixels: npt.NDArray[np.uint8], media_type: str, width: int, height: int) -> bytes:
    if media_type == "image/webp" and max(width, height) > _MAX_WEBP_SIDE:
        raise ImageTooLargeError(f"A WebP picture has at most {_MAX_WEBP_SIDE} pixels a side.")
    is_grey = pixels.ndim == 2  # noqa: PLR2004 - no channels
    ordered = pixels if is_grey else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(
        f".{EXTENSIONS[media_type]}", ordered, _options(media_type, width, is_grey=is_grey)
    )
    if not done:
        raise StepFailedError("The picture could not be encoded.")
    return encoded.tobytes()


def _options(media_type: str, width: int, *, is_grey: bool) -> Sequence[int]:
    if media_type == "image/jpeg":
        return (
            cv2.IMWRITE_JPEG_QUALITY,
            JPEG_QUALITY,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
            cv2.IMWRITE_JPEG_RST_INTERVAL,
            -(-width // (_GREY_UNIT if is_grey else _COLOUR_UNIT)),
        )
    if media_type == "image/webp":
        return (cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY)
    return ()
