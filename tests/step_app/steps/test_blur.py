import cv2
import numpy as np
import pytest

from step_app.steps.blur import load_blur, pyramid_levels
from step_app.steps.operation import Halo
from tests.step_app.steps.chunks import (
    HEIGHTS,
    SETTINGS,
    apply_one,
    breaks_with,
    breaks_with_less,
    differing_chunks,
    grey_of,
    noise,
    params_of,
    photo_pixels,
    pictures_of,
)

BLUR = load_blur(params_of("blur"), SETTINGS)
METHODS = ("gaussian", "updownsampling", "bilateral", "median")


@pytest.mark.parametrize("ksize", [1, 3, 5, 9, 31])
def test_pixels_are_the_librarys_own(ksize: int) -> None:
    photo = photo_pixels("red_panda", 120)

    for picture in (photo, grey_of(photo)):
        expected = {
            "gaussian": cv2.GaussianBlur(picture, (ksize, ksize), 0),
            "bilateral": cv2.bilateralFilter(picture, ksize, 75, 75),
            "median": cv2.medianBlur(picture, ksize),
        }
        for method, blurred in expected.items():
            made = apply_one(BLUR, picture, params_of("blur", method=method, ksize=ksize))
            assert np.array_equal(made, blurred), method


def test_updownsampling_goes_down_the_pyramid_and_up_again() -> None:
    photo = photo_pixels("red_panda", 121)
    height, width = photo.shape[:2]
    once = cv2.pyrDown(photo)
    twice = cv2.pyrUp(cv2.pyrDown(once), dstsize=(once.shape[1], once.shape[0]))

    for ksize, small in ((3, once), (5, twice)):
        made = apply_one(BLUR, photo, params_of("blur", method="updownsampling", ksize=ksize))
        assert np.array_equal(made, cv2.pyrUp(small, dstsize=(width, height)))


def test_the_picture_is_halved_as_often_as_the_size_can_be() -> None:
    assert [pyramid_levels(ksize) for ksize in (1, 3, 5, 7, 9, 15, 17, 31)] == [
        0, 1, 2, 2, 3, 3, 4, 4,
    ]  # fmt: skip


@pytest.mark.parametrize("ksize", [1, 3, 5, 7, 11, 17, 31])
@pytest.mark.parametrize("method", METHODS)
def test_chunks_are_the_whole_picture_bit_for_bit(method: str, ksize: int) -> None:
    params = params_of("blur", method=method, ksize=ksize)

    for height in HEIGHTS:
        for kind, picture in pictures_of(height):
            assert differing_chunks(BLUR, picture, params) == [], (height, kind)


@pytest.mark.parametrize("ksize", [3, 5])
@pytest.mark.parametrize("method", ["gaussian", "updownsampling", "median"])
def test_one_row_less_of_halo_shows(method: str, ksize: int) -> None:
    params = params_of("blur", method=method, ksize=ksize)

    assert breaks_with_less(BLUR, noise(60, 300), params)


@pytest.mark.parametrize("ksize", [3, 5, 11])
def test_one_row_less_than_its_radius_shows_with_bilateral(ksize: int) -> None:
    params = params_of("blur", method="bilateral", ksize=ksize)

    # The rest of its halo is for how some builds of the library round, and shows only there.
    assert BLUR.require_halo(params) == Halo(rows=2 * (ksize // 2))
    assert breaks_with(BLUR, noise(60, 300), params, rows=ksize // 2 - 1)


def test_chunks_of_a_pyramid_have_to_start_where_its_pixels_do() -> None:
    params = params_of("blur", method="updownsampling", ksize=7)
    picture = noise(60)
    shifted = np.concatenate([picture[:1], picture])

    assert BLUR.require_halo(params) == Halo(rows=12, alignment=4)
    made = apply_one(BLUR, shifted, params)[1:]
    assert not np.array_equal(made[20:40], apply_one(BLUR, picture, params)[20:40])


@pytest.mark.parametrize("ksize", [1, 5, 31])
@pytest.mark.parametrize("method", METHODS)
def test_no_picture_is_too_small_and_flat_ones_stay_as_they_are(method: str, ksize: int) -> None:
    params = params_of("blur", method=method, ksize=ksize)

    for shape in ((1, 1), (1, 40), (40, 1), (2, 3), (1, 1, 3), (3, 2, 3)):
        flat = np.full(shape, 201, np.uint8)
        assert np.array_equal(apply_one(BLUR, flat, params), flat), shape


@pytest.mark.parametrize("method", ["gaussian", "updownsampling", "median"])
def test_a_larger_size_leaves_less_detail(method: str) -> None:
    photo = photo_pixels("koala", 160)

    detail = []
    for ksize in (1, 3, 9, 31):
        made = apply_one(BLUR, photo, params_of("blur", method=method, ksize=ksize))
        detail.append(float(np.abs(np.diff(made.astype(np.int16), axis=1)).mean()))

    assert detail == sorted(detail, reverse=True)
    assert detail[-1] < detail[0] * 0.2


def test_bilateral_smooths_and_keeps_edges() -> None:
    rough = np.zeros((40, 40), np.uint8) + noise(40, 40, channels=1) // 16
    rough[:, 20:] += 200

    made = apply_one(BLUR, rough, params_of("blur", method="bilateral", ksize=9)).astype(np.int16)

    assert made[:, :20].std() < rough[:, :20].std() / 3
    assert (made[:, 20] - made[:, 19] > 185).all()
