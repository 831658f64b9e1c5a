import cv2
import numpy as np
import pytest

from step_app.steps.operation import Pixels
from step_app.steps.sobel import load_sobel
from tests.step_app.steps.chunks import (
    HEIGHTS,
    SETTINGS,
    apply_one,
    breaks_with_less,
    differing_chunks,
    frozen,
    grey_of,
    noise,
    params_of,
    photo_pixels,
    pictures_of,
)

SOBEL = load_sobel(params_of("sobel"), SETTINGS)
SIZES = (1, 3, 5, 7)


def library_edges(grey: Pixels, ksize: int) -> Pixels:
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=ksize)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=ksize)
    return np.asarray(cv2.convertScaleAbs(cv2.magnitude(across, down)), dtype=np.uint8)


@pytest.mark.parametrize("ksize", SIZES)
def test_edges_are_the_librarys_own_gradient_of_the_grey_picture(ksize: int) -> None:
    photo = photo_pixels("suspension_bridge", 300)
    params = params_of("sobel", ksize=ksize)

    for picture in (photo, grey_of(photo)):
        assert np.array_equal(
            apply_one(SOBEL, picture, params), library_edges(grey_of(photo), ksize)
        )


@pytest.mark.parametrize("ksize", SIZES)
@pytest.mark.parametrize("height", HEIGHTS)
def test_chunks_are_the_whole_picture_bit_for_bit(height: int, ksize: int) -> None:
    params = params_of("sobel", ksize=ksize)

    for kind, picture in pictures_of(height):
        assert differing_chunks(SOBEL, picture, params) == [], kind


@pytest.mark.parametrize("ksize", SIZES)
def test_one_row_less_of_halo_shows(ksize: int) -> None:
    # Faint, so that no edge is cut off at 255.
    faint = frozen(noise(40) // 64)

    assert breaks_with_less(SOBEL, faint, params_of("sobel", ksize=ksize))


def test_a_flat_picture_has_no_edges_and_a_step_has_one() -> None:
    picture = np.zeros((20, 30), np.uint8)
    picture[:, 15:] = 20

    edges = apply_one(SOBEL, picture, params_of("sobel"))

    assert np.array_equal(np.unique(edges[:, 14:16]), [80])
    assert not edges[:, :14].any()
    assert not edges[:, 16:].any()
