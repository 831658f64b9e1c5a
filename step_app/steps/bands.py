"""A long operation on a large picture is run in bands of rows, so that it can be stopped between.

Only neighbourhood operations are: those whose rows come out of a band with its halo bit for bit as
out of the whole picture, which is why tiles can be cut. However the bands fall, the result is the
same; so they may be as high as the time allows that the rows before have taken.
"""

import time
from typing import Final

import numpy as np

from step_app.checkpoints import checkpoint
from step_app.steps.operation import Applied, Halo, Operation, Params, Pixels

BAND_S: Final = 0.1
"""How long a band shall take."""
_HALOS: Final = 16
"""A band is as high as so many halos at least: what is computed twice is an eighth at most."""
_MIN_ROWS: Final = 64


def apply_in_bands(operation: Operation, picture: Pixels, params: Params) -> Applied:
    """Apply an operation to a picture; stop when nobody waits for it any more.

    Raises:
        UnwantedError: nobody does.
        StepError: this picture or these params cannot be.
    """
    halo = None
    if operation.halo is not None and not operation.stops_itself:
        halo = operation.halo(params)
    if halo is None or picture.shape[0] < 2 * _least_rows(halo):
        checkpoint()
        return operation.apply(picture, params)
    return Applied([_run(operation, picture, params, halo)])


def _run(operation: Operation, picture: Pixels, params: Params, halo: Halo) -> Pixels:
    height, least = picture.shape[0], _least_rows(halo)
    whole: Pixels | None = None
    start, rows = 0, least
    while start < height:
        # What would be left for a last band of its own takes less time within this one.
        stop = height if height - start < rows + least else start + rows
        checkpoint()
        began = time.perf_counter()
        band = _band(operation, picture, params, halo, start=start, stop=stop)
        row_s = max(time.perf_counter() - began, 1e-9) / (stop - start)
        if whole is None:
            if height * row_s < BAND_S:  # done sooner than put together
                return operation.apply(picture, params).pictures[0]
            whole = np.empty((height, *band.shape[1:]), np.uint8)
        whole[start:stop] = band
        rows = max(least, int(BAND_S / row_s))
        start = stop
    assert whole is not None
    return whole


def _least_rows(halo: Halo) -> int:
    return max(_MIN_ROWS, _HALOS * halo.rows)


def _band(
    operation: Operation, picture: Pixels, params: Params, halo: Halo, *, start: int, stop: int
) -> Pixels:
    """Return some rows of the result."""
    first = max(0, start - halo.rows)
    first -= first % halo.alignment
    last = min(picture.shape[0], stop + halo.rows)
    applied = operation.apply(picture[first:last], params)
    return applied.pictures[0][start - first : stop - first]
