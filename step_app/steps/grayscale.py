"""Grayscale, computed by real OpenMP threads, with the time that each number of them takes.

The kernel is compiled by Numba for its OpenMP layer, and gives the same grey levels as OpenCV.
Numba is imported when the step is loaded, not with this module: it takes time and memory that
no other step needs.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, Final

import cv2
import numpy as np

from step_app.checkpoints import checkpoint
from step_app.contract.step_types import STEP_TYPES
from step_app.errors import ConfigurationError, InvalidParamsError
from step_app.settings import Settings
from step_app.steps.operation import Applied, Operation, Params, Pixels

REVISION: Final = "grayscale-1"
MAX_THREADS: Final = 32
"""As many as the param ``threads`` may ask for; they may be more than there are cores."""
MAX_MEGAPIXELS: Final = 50_000
"""Most that one request may convert, repetitions counted: half a minute on one slow core."""

Kernel = Callable[[Pixels, Pixels], None]
"""From a picture, shape (height, width, 3), into its grey levels, shape (height, width)."""
_SHIFT: Final = 15
_RED: Final = 9798
_GREEN: Final = 19235
_BLUE: Final = 3735
"""0.299, 0.587 and 0.114 (ITU-R BT.601) in units of 2**-15; their sum is exactly 1."""


class OpenMp:
    """The compiled kernel, and how many threads run it."""

    def __init__(self) -> None:
        """Compile it, which takes about a second.

        Raises:
            ConfigurationError: the OpenMP runtime is not installed.
        """
        # Numba reads both once, when it is first imported; the pool of threads is as large as the
        # largest number that may ever be asked for.
        os.environ["NUMBA_THREADING_LAYER"] = "omp"
        os.environ["NUMBA_NUM_THREADS"] = str(MAX_THREADS)
        import numba  # noqa: PLC0415

        self._set_num_threads: Callable[[int], None] = numba.set_num_threads
        try:
            self._kernel = _compile(numba)
            self.run(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8), threads=1)
        except (ImportError, ValueError) as exc:
            raise ConfigurationError(
                "grayscale needs the OpenMP runtime of GCC, libgomp.so.1 (package libgomp1)"
            ) from exc

    def run(self, picture: Pixels, grey: Pixels, *, threads: int) -> None:
        """Convert a picture into ``grey`` on this many threads."""
        self._set_num_threads(threads)  # counts for the calling thread alone
        self._kernel(picture, grey)


def _compile(numba: Any) -> Kernel:
    span, wide, narrow = numba.prange, numba.uint32, numba.uint8

    def convert_rows(picture: Any, grey: Any) -> None:
        # Rows as flat arrays of unsigned numbers are what the compiler turns into vectors: five
        # times as fast as picture[y, x, 0].
        for y in span(grey.shape[0]):
            samples = picture[y].ravel()
            levels = grey[y]
            for x in range(grey.shape[1]):
                levels[x] = narrow(
                    (
                        wide(samples[3 * x]) * wide(_RED)
                        + wide(samples[3 * x + 1]) * wide(_GREEN)
                        + wide(samples[3 * x + 2]) * wide(_BLUE)
                        + wide(1 << (_SHIFT - 1))
                    )
                    >> wide(_SHIFT)
                )

    picture = numba.types.Array(numba.uint8, 3, "C", readonly=True)
    signature = numba.void(picture, numba.uint8[:, ::1])
    kernel: Kernel = numba.njit(signature, parallel=True, nogil=True)(convert_rows)
    return kernel


def convert(openmp: OpenMp, picture: Pixels, params: Params) -> Applied:
    """Convert a picture and say how long each number of threads took.

    A conversion is ``passes`` runs of the kernel one after the other, measured ``repeats`` times.
    A grey picture stays as it is; the kernel runs over three channels that are all equal to it, so
    that times compare with those of colour.

    Raises:
        InvalidParamsError: it would take too long.
    """
    threads = _thread_counts(params["threads"])
    passes, repeats = int(params["passes"]), int(params["repeats"])
    height, width = picture.shape[:2]
    megapixels = height * width * passes * repeats * len(threads) / 1e6
    if megapixels > MAX_MEGAPIXELS:
        raise InvalidParamsError(
            f"repeats: passes, repeats and numbers of threads come to {megapixels:.0f} megapixels; "
            f"at most {MAX_MEGAPIXELS} are converted"
        )
    if picture.ndim == 2:  # noqa: PLR2004
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), dtype=np.uint8)
    grey = np.full((height, width), 0, dtype=np.uint8)  # written: the first page faults are paid
    seconds = [
        _measure(openmp, picture, grey, threads=count, passes=passes, repeats=repeats)
        for count in threads
    ]
    base_s = median(seconds[threads.index(min(threads))])
    timings = [
        {
            "threads": count,
            "kernel_s": median(measured),
            "kernel_min_s": min(measured),
            "repeats": repeats,
            "passes": passes,
            "megapixels_per_s": height * width * passes / median(measured) / 1e6,
            "speed_up": base_s / median(measured),
        }
        for count, measured in zip(threads, seconds, strict=True)
    ]
    return Applied([grey], {"timings": timings, "passes": passes, "repeats": repeats})


def _thread_counts(threads: int | Sequence[int]) -> list[int]:
    return [int(count) for count in threads] if isinstance(threads, Sequence) else [int(threads)]


def _measure(
    openmp: OpenMp, picture: Pixels, grey: Pixels, *, threads: int, passes: int, repeats: int
) -> list[float]:
    """Return the seconds that each conversion took."""
    openmp.run(picture[:1], grey[:1], threads=threads)  # starts the threads
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter_ns()
        for _ in range(passes):
            checkpoint()
            openmp.run(picture, grey, threads=threads)
        # A clock may stand still for a picture of few pixels; times are divided by.
        seconds.append(max(1, time.perf_counter_ns() - started) / 1e9)
    return seconds


def load_grayscale(params: Mapping[str, Any], settings: Settings) -> Operation:
    """Compile the kernel, about a second; nothing is kept: reading it back takes a third of that.

    Raises:
        ConfigurationError: the OpenMP runtime is not installed.
    """
    openmp = OpenMp()
    return Operation(
        STEP_TYPES["grayscale"],
        revision=REVISION,
        apply=lambda picture, params: convert(openmp, picture, params),
    )
