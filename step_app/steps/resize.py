"""Resize: to a width and a height, to a percentage, or to one side in proportion."""

from collections.abc import Mapping
from fractions import Fraction
from math import floor
from typing import Any, Final

import cv2
import numpy as np

from step_app.contract.limits import MAX_PIXELS, MAX_SIDE
from step_app.contract.step_types import STEP_TYPES
from step_app.errors import ImageTooLargeError
from step_app.settings import Settings
from step_app.steps.operation import Applied, Operation, Params, Pixels

REVISION: Final = f"resize-1/cv{cv2.__version__}"

_INTERPOLATIONS: Final[Mapping[str, int]] = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}


def target_size(size: str | int, width: int, height: int) -> tuple[int, int]:
    """Return the width and height that ``size`` means for a picture of this size.

    Args:
        size: ``200x300`` (width x height), ``50%``, a width (``200``, ``"200"`` or ``200x``) or
            a height (``x300``); what is not given follows in proportion.
        width: of the picture.
        height: of the picture.

    Returns:
        Whole pixels, halves rounded up, at least 1.
    """
    text = str(size)
    if text.endswith("%"):
        factor = Fraction(text[:-1]) / 100
        return _rounded(width * factor), _rounded(height * factor)
    wide, _, high = text.partition("x")
    if wide and high:
        return int(wide), int(high)
    if wide:
        return int(wide), _rounded(Fraction(height * int(wide), width))
    return _rounded(Fraction(width * int(high), height)), int(high)


def _rounded(length: Fraction) -> int:
    return max(1, floor(length + Fraction(1, 2)))


def resample(picture: Pixels, *, width: int, height: int, interpolation: int) -> Pixels:
    """Return the picture in another size.

    Args:
        picture: in colour or in grey.
        width: of the result.
        height: of the result.
        interpolation: one of OpenCV's ``INTER_...``.

    Raises:
        ImageTooLargeError: the result would be larger than any picture may be.
    """
    check_room(width, height)
    made = cv2.resize(picture, (width, height), interpolation=interpolation)
    return np.asarray(made, dtype=np.uint8)


def check_room(width: int, height: int) -> None:
    """Check the size of a picture before it is made.

    Raises:
        ImageTooLargeError: it would be larger than any picture may be.
    """
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageTooLargeError(
            f"The result would be {width} x {height} pixels; at most {MAX_PIXELS} pixels and "
            f"{MAX_SIDE} a side are made."
        )


def _apply(picture: Pixels, params: Params) -> Applied:
    height, width = picture.shape[:2]
    wide, high = target_size(params["size"], width, height)
    interpolation = _INTERPOLATIONS.get(params["interpolation"])
    if interpolation is None:
        # Area averaging is the one that leaves no moiré; it cannot invent pixels.
        shrinks = wide <= width and high <= height
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return Applied([resample(picture, width=wide, height=high, interpolation=interpolation)])


def load_resize(params: Mapping[str, Any], settings: Settings) -> Operation:
    """Return the operation; nothing has to be loaded."""
    return Operation(STEP_TYPES["resize"], revision=REVISION, apply=_apply)
