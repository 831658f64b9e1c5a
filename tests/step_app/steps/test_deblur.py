import cv2
import numpy as np
import numpy.typing as npt
import pytest

from step_app.errors import InvalidParamsError
from step_app.steps.deblur import gaussian_kernel, load_deblur, wiener_kernel
from step_app.steps.operation import Pixels
from tests.step_app.steps.chunks import (
    SETTINGS,
    apply_one,
    breaks_with_less,
    differing_chunks,
    grey_of,
    noise,
    params_of,
    photo_pixels,
    pictures_of,
    psnr,
    sample_photos,
)

DEBLUR = load_deblur(params_of("deblur"), SETTINGS)
METHODS = ("richardson_lucy", "wiener", "unsharp")
HEIGHTS = (1, 3, 16, 50, 113)
Plane = npt.NDArray[np.float64]


def blurred(picture: Pixels, sigma: float) -> Pixels:
    """Blur by a Gaussian that is longer than the one that the step assumes."""
    side = 2 * int(np.ceil(6 * sigma)) + 1
    exact = cv2.GaussianBlur(picture.astype(np.float32), (side, side), sigma)
    return np.rint(exact).astype(np.uint8)


def convolve(plane: Plane, kernel: Plane) -> Plane:
    """Convolve rows and columns, mirrored at the edges; nothing of OpenCV's."""
    radius = len(kernel) // 2
    for axis in (0, 1):
        widths = [(0, 0), (0, 0)]
        widths[axis] = (radius, radius)
        padded = np.pad(plane, widths, mode="reflect")
        plane = np.apply_along_axis(np.convolve, axis, padded, kernel, mode="valid")
    return plane


@pytest.mark.parametrize(("method", "gain_db"), [("richardson_lucy", 2.0), ("wiener", 2.0)])
def test_blurred_photos_come_nearer_to_the_sharp_ones_by_default(
    method: str, gain_db: float
) -> None:
    params = params_of("deblur", method=method)

    gains = []
    for sharp in sample_photos():
        soft = blurred(sharp, params["sigma"])
        gains.append(psnr(apply_one(DEBLUR, soft, params), sharp) - psnr(soft, sharp))

    assert np.mean(gains) >= gain_db
    assert min(gains) > 0.5


@pytest.mark.parametrize("sigma", [0.3, 0.7, 1, 4, 10])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_gains_at_every_width_of_blur(method: str, sigma: float) -> None:
    sharp = photo_pixels("giant_panda", 400)
    soft = blurred(sharp, sigma)

    made = apply_one(DEBLUR, soft, params_of("deblur", method=method, sigma=sigma))

    assert psnr(made, sharp) > psnr(soft, sharp)


def test_more_iterations_go_further() -> None:
    sharp = photo_pixels("giant_panda", 300)
    soft = blurred(sharp, 2)

    levels = [
        psnr(apply_one(DEBLUR, soft, params_of("deblur", iterations=iterations)), sharp)
        for iterations in (1, 3, 10, 30)
    ]

    assert levels == sorted(levels)


@pytest.mark.parametrize("iterations", [1, 2, 12])
def test_the_iteration_is_that_of_richardson_and_lucy_with_a_heavy_ball(iterations: int) -> None:
    soft = grey_of(blurred(photo_pixels("koala", 90), 1.5))
    kernel = gaussian_kernel(1.5).ravel().astype(np.float64)
    observed = np.maximum(soft, 0.25)
    estimates = [observed, observed]
    for iteration in range(iterations):
        ball = estimates[-1] + iteration / (iteration + 3) * (estimates[-1] - estimates[-2])
        guess = np.maximum(ball, 0.25)
        estimates.append(guess * convolve(observed / convolve(guess, kernel), kernel))

    made = apply_one(DEBLUR, soft, params_of("deblur", sigma=1.5, iterations=iterations))

    assert np.abs(made - np.clip(estimates[-1], 0, 255)).max() < 0.51


@pytest.mark.parametrize("sigma", [0.3, 2, 7.5])
def test_the_wiener_filter_is_one_convolution_in_float(sigma: float) -> None:
    photo = photo_pixels("koala", 200)
    kernel = wiener_kernel(sigma)
    exact = cv2.sepFilter2D(photo, cv2.CV_32F, kernel, kernel)

    made = apply_one(DEBLUR, photo, params_of("deblur", method="wiener", sigma=sigma))

    assert np.array_equal(made, np.clip(np.rint(exact), 0, 255))
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert np.allclose(kernel, kernel[::-1])


def test_the_unsharp_mask_adds_what_another_blur_takes() -> None:
    photo = photo_pixels("koala", 200)
    soft = cv2.GaussianBlur(photo, (13, 13), 2)
    expected = cv2.addWeighted(photo, 2.5, soft, -1.5, 0)

    made = apply_one(DEBLUR, photo, params_of("deblur", method="unsharp"))

    assert np.array_equal(made, expected)


@pytest.mark.parametrize("sigma", [0.3, 1.7, 2, 5])
@pytest.mark.parametrize("method", METHODS)
def test_chunks_are_the_whole_picture_bit_for_bit(method: str, sigma: float) -> None:
    params = params_of("deblur", method=method, sigma=sigma, iterations=3)

    for height in HEIGHTS:
        for kind, picture in pictures_of(height):
            assert differing_chunks(DEBLUR, picture, params) == [], (height, kind)


def test_chunks_are_the_whole_picture_after_all_iterations() -> None:
    picture = noise(500, 40)

    assert differing_chunks(DEBLUR, picture, params_of("deblur", sigma=1)) == []


@pytest.mark.parametrize(
    ("method", "sigma"), [("richardson_lucy", 0.3), ("wiener", 0.3), ("unsharp", 2)]
)
def test_one_row_less_of_halo_shows(method: str, sigma: float) -> None:
    # With wider kernels or more iterations the farthest row weighs too little to move a level.
    params = params_of("deblur", method=method, sigma=sigma, iterations=1)

    assert breaks_with_less(DEBLUR, noise(60, 300), params)


@pytest.mark.parametrize("sigma", [0.3, 10])
@pytest.mark.parametrize("method", METHODS)
def test_a_flat_picture_stays_as_it_is(method: str, sigma: float) -> None:
    params = params_of("deblur", method=method, sigma=sigma)

    for level in (0, 1, 128, 255):
        for shape in ((1, 1), (40, 50), (30, 20, 3)):
            flat = np.full(shape, level, np.uint8)
            assert np.array_equal(apply_one(DEBLUR, flat, params), flat), (level, shape)


def test_a_hundred_iterations_on_what_was_never_blurred_stay_finite() -> None:
    checks = (np.indices((60, 60)).sum(axis=0) % 2 * 255).astype(np.uint8)
    islands = np.zeros((60, 60), np.uint8)
    islands[::20, ::20] = 255

    for picture in (checks, islands, noise(60)):
        for sigma in (0.3, 10):
            with np.errstate(all="raise"):
                apply_one(DEBLUR, picture, params_of("deblur", sigma=sigma, iterations=100))


def test_minutes_of_work_are_refused_with_the_iterations_that_would_do() -> None:
    large = np.broadcast_to(np.uint8(0), (5_000, 10_000, 3))

    with pytest.raises(InvalidParamsError) as refused:
        DEBLUR.apply(large, params_of("deblur", sigma=10, iterations=100))

    assert refused.value.detail.startswith("iterations: at most 10 ")
