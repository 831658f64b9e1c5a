"""Blur: four ways to smooth a picture, each of them a neighbourhood operation.

``gaussian`` is a weighted mean; ``median`` keeps edges and removes specks; ``bilateral`` (Tomasi
and Manduchi 1998) is a mean of what is near both in place and in colour; ``updownsampling`` goes
down a Gaussian pyramid and up again (Burt and Adelson 1983), which smooths widely in little time.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import cv2
import numpy as np

from step_app.contract.step_types import STEP_TYPES
from step_app.settings import Settings
from step_app.steps.operation import Applied, Halo, Operation, Params, Pixels

REVISION: Final = f"blur-1/cv{cv2.__version__}"

_BILATERAL_SIGMA: Final = 75.0
"""Both in grey levels and in pixels: strong, as OpenCV's manual suggests for a visible effect."""


def pyramid_levels(ksize: int) -> int:
    """Return how often the picture is halved: as often as ``ksize`` can be."""
    return ksize.bit_length() - 1


def _gaussian(picture: Pixels, ksize: int) -> cv2.typing.MatLike:
    return cv2.GaussianBlur(picture, (ksize, ksize), 0)


def _bilateral(picture: Pixels, ksize: int) -> cv2.typing.MatLike:
    return cv2.bilateralFilter(picture, ksize, _BILATERAL_SIGMA, _BILATERAL_SIGMA)


def _updownsampling(picture: Pixels, ksize: int) -> cv2.typing.MatLike:
    """Halve the picture, then double it back to each of its sizes on the way.

    A side of one pixel halves to one pixel, so that no picture is too small.
    """
    sizes: list[tuple[int, int]] = []
    level: cv2.typing.MatLike = picture
    for _ in range(pyramid_levels(ksize)):
        sizes.append((level.shape[1], level.shape[0]))
        level = cv2.pyrDown(level)
    for size in reversed(sizes):
        level = cv2.pyrUp(level, dstsize=size)
    return level


_METHODS: Final[Mapping[str, Callable[[Pixels, int], cv2.typing.MatLike]]] = {
    "gaussian": _gaussian,
    "median": cv2.medianBlur,
    "bilateral": _bilateral,
    "updownsampling": _updownsampling,
}


def _apply(picture: Pixels, params: Params) -> Applied:
    blurred = _METHODS[params["method"]](picture, int(params["ksize"]))
    return Applied([np.asarray(blurred, dtype=np.uint8)])


def _halo(params: Params) -> Halo:
    ksize = int(params["ksize"])
    if params["method"] == "updownsampling":
        # Each level reaches two of its pixels far, down and up alike: 2 (2 + 4 + ... + 2**levels).
        factor = 2 ** pyramid_levels(ksize)
        return Halo(rows=4 * (factor - 1), alignment=factor)
    if params["method"] == "bilateral":
        # Its radius is never 0. The library rounds differently within a radius of the edge of a
        # grey picture, and everywhere when nothing else is left of it: hence a second radius.
        return Halo(rows=2 * max(1, ksize // 2))
    return Halo(rows=ksize // 2)


def load_blur(params: Mapping[str, Any], settings: Settings) -> Operation:
    """Return the operation; nothing has to be loaded."""
    return Operation(STEP_TYPES["blur"], revision=REVISION, apply=_apply, halo=_halo)
