"""Edges: how steeply the grey picture changes at each pixel.

The magnitude of the gradient, measured with the operator of Sobel and Feldman (1968), rounded
and cut off at 255.
"""

from collections.abc import Mapping
from typing import Any, Final

import cv2
import numpy as np

from step_app.contract.step_types import STEP_TYPES
from step_app.settings import Settings
from step_app.steps.operation import Applied, Halo, Operation, Params, Pixels

REVISION: Final = f"sobel-1/cv{cv2.__version__}"


def find_edges(picture: Pixels, *, ksize: int) -> Pixels:
    """Return the gradient's magnitude, shape (height, width).

    Args:
        picture: in colour or in grey.
        ksize: side of the operator in pixels: 1 (no smoothing across), 3, 5 or 7.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim > 2 else picture  # noqa: PLR2004
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=ksize)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=ksize)
    # Up to 255 the squares add up exactly in float32, so that no row depends on where it lies.
    edges = cv2.convertScaleAbs(cv2.magnitude(across, down))
    return np.asarray(edges, dtype=np.uint8)


def _apply(picture: Pixels, params: Params) -> Applied:
    return Applied([find_edges(picture, ksize=int(params["ksize"]))])


def _halo(params: Params) -> Halo:
    # The operator of size 1 is three pixels long, too.
    return Halo(rows=max(1, int(params["ksize"]) // 2))


def load_sobel(params: Mapping[str, Any], settings: Settings) -> Operation:
    """Return the operation; nothing has to be loaded."""
    return Operation(STEP_TYPES["sobel"], revision=REVISION, apply=_apply, halo=_halo)
