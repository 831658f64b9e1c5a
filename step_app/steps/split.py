"""Split: cut a picture into pieces of equal size."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np

from step_app.contract.step_types import STEP_TYPES
from step_app.errors import InvalidParamsError
from step_app.settings import Settings
from step_app.steps.operation import Applied, Operation, Params, Pixels

REVISION: Final = "split-1"


def cuts(size: int, count: int) -> list[tuple[int, int]]:
    """Return start and stop of each of ``count`` parts, which differ by a pixel at most."""
    return list(pairwise(index * size // count for index in range(count + 1)))


def _apply(picture: Pixels, params: Params) -> Applied:
    """Return the pieces in reading order: from left to right, then from top to bottom."""
    height, width = picture.shape[:2]
    rows, cols = int(params["rows"]), int(params["cols"])
    if rows > height:
        raise InvalidParamsError(f"rows: the picture has only {height} rows")
    if cols > width:
        raise InvalidParamsError(f"cols: the picture has only {width} columns")
    return Applied(
        [
            np.ascontiguousarray(picture[top:bottom, left:right])
            for top, bottom in cuts(height, rows)
            for left, right in cuts(width, cols)
        ]
    )


def load_split(params: Mapping[str, Any], settings: Settings) -> Operation:
    """Return the operation; nothing has to be loaded."""
    return Operation(STEP_TYPES["split"], revision=REVISION, apply=_apply)
