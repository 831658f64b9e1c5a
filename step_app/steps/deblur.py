"""Deblur: undo a Gaussian blur whose standard deviation is known.

All three methods are neighbourhood operations on each channel by itself, so that a chunk with
its halo comes out bit for bit as in the whole picture. For the same reason sums and products of
whole pictures are NumPy's, each rounded once by IEEE 754: fused ones would round by position.

``richardson_lucy``: the iteration of Richardson (1972) and Lucy (1974), accelerated by the heavy
ball of Wang and Miller (2014), which makes 20 iterations go further than 50 plain ones.
``wiener``: one convolution with the inverse that is best on average for natural pictures.
``unsharp``: what the blur took is estimated by blurring once more, and added.
"""

from collections.abc import Mapping
from functools import lru_cache
from math import ceil
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from step_app.checkpoints import checkpoint
from step_app.contract.step_types import STEP_TYPES
from step_app.errors import InvalidParamsError
from step_app.settings import Settings
from step_app.steps.operation import Applied, Halo, Operation, Params, Pixels

REVISION: Final = f"deblur-1/cv{cv2.__version__}"

Kernel = npt.NDArray[np.float32]
"""One dimension of a separable kernel, shape (2 radius + 1, 1)."""

_RADIUS_SIGMAS: Final = 3
"""Beyond three standard deviations lie 0.3 % of a Gaussian."""
_WIENER_RADIUS_SIGMAS: Final = 6
_WIENER_FREQUENCIES: Final = 8192
_NOISE: Final = 0.01
"""Power of the noise against that of the picture, at one radian a pixel."""
_UNSHARP_AMOUNT: Final = 1.5
_BLACK: Final = np.float32(0.25)
"""Mean of what rounds to zero: the iteration divides by the picture and can never leave zero."""

_WORK_PER_ITERATION: Final = 20
"""Passes over the memory, counted in products of a convolution that take as long."""
_MOST_WORK: Final = 125_000_000_000
"""Products; half a minute on one core."""


def gaussian_kernel(sigma: float) -> Kernel:
    """Return the blur to undo, ``ceil(3 sigma)`` pixels to each side; its sum is 1."""
    radius = ceil(_RADIUS_SIGMAS * sigma)
    return np.asarray(cv2.getGaussianKernel(2 * radius + 1, sigma, cv2.CV_32F), dtype=np.float32)


@lru_cache(maxsize=64)
def wiener_kernel(sigma: float) -> Kernel:
    """Return the Wiener (1949) inverse of the blur, ``ceil(6 sigma)`` pixels to each side.

    Its transform is ``G / (G**2 + N w**2)``: ``G`` that of the blur, ``w`` the frequency in radians
    a pixel. The power of natural pictures falls with ``w**2`` (Field 1987), that of noise is
    constant. ``N`` is less for blurs under a pixel, which need little amplification. A Hann window
    lets the kernel end smoothly, and its sum is 1 so that brightness stays.
    """
    frequencies = (np.arange(_WIENER_FREQUENCIES) + 0.5) * np.pi / _WIENER_FREQUENCIES
    blur = gaussian_kernel(sigma).ravel().astype(np.float64)
    half = len(blur) // 2
    blur_response = (
        blur[half] + 2 * np.cos(np.outer(frequencies, np.arange(1, half + 1))) @ (blur[half + 1 :])
    )
    noise = _NOISE * min(1.0, sigma**2) * frequencies**2
    response = blur_response / (blur_response**2 + noise)
    radius = ceil(_WIENER_RADIUS_SIGMAS * sigma)
    places = np.arange(-radius, radius + 1)
    kernel = np.cos(np.outer(places, frequencies)) @ response
    kernel *= np.cos(np.pi / 2 * places / (radius + 1)) ** 2
    return np.asarray(kernel / kernel.sum(), dtype=np.float32).reshape(-1, 1)


def deblur_by_iteration(channel: Pixels, *, sigma: float, iterations: int) -> Pixels:
    """Return one channel, shape (height, width), without its blur (Richardson-Lucy)."""
    kernel = gaussian_kernel(sigma)
    observed = np.maximum(channel, _BLACK, dtype=np.float32)
    estimate, previous = observed.copy(), observed.copy()
    blurred, correction = np.empty_like(observed), np.empty_like(observed)
    for iteration in range(iterations):
        checkpoint()
        # What was the last estimate but one becomes the prediction, then the new estimate.
        momentum = np.float32(iteration / (iteration + 3))
        np.subtract(estimate, previous, out=previous)
        np.multiply(previous, momentum, out=previous)
        np.add(previous, estimate, out=previous)
        np.maximum(previous, _BLACK, out=previous)
        checkpoint()
        cv2.sepFilter2D(previous, cv2.CV_32F, kernel, kernel, dst=blurred)
        checkpoint()
        np.divide(observed, blurred, out=blurred)
        checkpoint()
        cv2.sepFilter2D(blurred, cv2.CV_32F, kernel, kernel, dst=correction)
        checkpoint()
        np.multiply(previous, correction, out=previous)
        estimate, previous = previous, estimate
    np.rint(estimate, out=estimate)
    return np.minimum(estimate, 255, out=estimate).astype(np.uint8)


def _richardson_lucy(picture: Pixels, sigma: float, iterations: int) -> Pixels:
    work = picture.size * iterations * (len(gaussian_kernel(sigma)) + _WORK_PER_ITERATION)
    if work > _MOST_WORK:
        raise InvalidParamsError(
            f"iterations: at most {max(1, iterations * _MOST_WORK // work)} for a picture and a "
            "sigma of this size"
        )
    if picture.ndim == 2:  # noqa: PLR2004
        return deblur_by_iteration(picture, sigma=sigma, iterations=iterations)
    result = np.empty_like(picture)
    for index in range(picture.shape[2]):  # one by one: an iteration needs twenty bytes a sample
        channel = picture[:, :, index]
        result[:, :, index] = deblur_by_iteration(channel, sigma=sigma, iterations=iterations)
    return result


def _wiener(picture: Pixels, sigma: float) -> Pixels:
    kernel = wiener_kernel(sigma)
    # With weights of both signs this is computed in float32, rounded and cut off in one go.
    return np.asarray(cv2.sepFilter2D(picture, cv2.CV_8U, kernel, kernel), dtype=np.uint8)


def _unsharp(picture: Pixels, sigma: float) -> Pixels:
    side = 2 * ceil(_RADIUS_SIGMAS * sigma) + 1
    blurred = cv2.GaussianBlur(picture, (side, side), sigma)
    sharp = cv2.addWeighted(picture, 1 + _UNSHARP_AMOUNT, blurred, -_UNSHARP_AMOUNT, 0)
    return np.asarray(sharp, dtype=np.uint8)


def _apply(picture: Pixels, params: Params) -> Applied:
    sigma = float(params["sigma"])
    if params["method"] == "richardson_lucy":
        return Applied([_richardson_lucy(picture, sigma, int(params["iterations"]))])
    return Applied(
        [_wiener(picture, sigma) if params["method"] == "wiener" else _unsharp(picture, sigma)]
    )


def _halo(params: Params) -> Halo:
    sigma = float(params["sigma"])
    if params["method"] == "wiener":
        return Halo(rows=ceil(_WIENER_RADIUS_SIGMAS * sigma))
    radius = ceil(_RADIUS_SIGMAS * sigma)
    if params["method"] == "unsharp":
        return Halo(rows=radius)
    return Halo(rows=2 * int(params["iterations"]) * radius)


def load_deblur(params: Mapping[str, Any], settings: Settings) -> Operation:
    """Return the operation; nothing has to be loaded."""
    return Operation(
        STEP_TYPES["deblur"], revision=REVISION, apply=_apply, halo=_halo, stops_itself=True
    )
