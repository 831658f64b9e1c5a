import cv2
import numpy as np
import pytest

from step_app.contract.limits import MAX_PIXELS, MAX_SIDE
from step_app.errors import ImageTooLargeError, InvalidParamsError
from step_app.steps.resize import check_room, load_resize, target_size
from tests.step_app.steps.chunks import (
    SETTINGS,
    apply_one,
    grey_of,
    noise,
    params_of,
    photo_pixels,
)

RESIZE = load_resize(params_of("resize", size="50%"), SETTINGS)
INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("200x300", (200, 300)),
        ("50%", (320, 240)),
        ("100%", (640, 480)),
        ("12.5%", (80, 60)),
        ("0.1%", (1, 1)),
        (".001%", (1, 1)),
        ("250%", (1600, 1200)),
        ("200", (200, 150)),
        (200, (200, 150)),
        ("200x", (200, 150)),
        ("x300", (400, 300)),
        (1, (1, 1)),
        ("x1", (1, 1)),
    ],
)
def test_a_size_means_what_its_notation_says(size: str | int, expected: tuple[int, int]) -> None:
    assert target_size(params_of("resize", size=size)["size"], 640, 480) == expected


@pytest.mark.parametrize(
    ("size", "picture", "expected"),
    [
        ("50%", (5, 3), (3, 2)),  # 2.5 and 1.5
        ("50%", (1, 1), (1, 1)),
        ("10", (20, 3), (10, 2)),  # 1.5
        ("10", (2000, 3), (10, 1)),  # 0.015
        ("33.333%", (3, 300_000), (1, 99_999)),
    ],
)
def test_halves_are_rounded_up_and_nothing_becomes_nothing(
    size: str, picture: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert target_size(size, *picture) == expected


@pytest.mark.parametrize("name", INTERPOLATIONS)
@pytest.mark.parametrize("size", ["40x30", "500x20", "300%"])
def test_pixels_are_the_librarys_own(size: str, name: str) -> None:
    photo = photo_pixels("koala", 200)
    params = params_of("resize", size=size, interpolation=name)

    for picture in (photo, grey_of(photo)):
        height, width = picture.shape[:2]
        target = target_size(size, width, height)
        expected = cv2.resize(picture, target, interpolation=INTERPOLATIONS[name])
        assert np.array_equal(apply_one(RESIZE, picture, params), expected)


@pytest.mark.parametrize(
    ("size", "chosen"),
    [
        ("40x30", cv2.INTER_AREA),
        ("100x30", cv2.INTER_AREA),
        ("100x80", cv2.INTER_AREA),
        ("101x30", cv2.INTER_CUBIC),
        ("40x81", cv2.INTER_CUBIC),
        ("300%", cv2.INTER_CUBIC),
    ],
)
def test_auto_averages_a_smaller_picture_and_interpolates_a_larger_one(
    size: str, chosen: int
) -> None:
    picture = noise(80, 100)
    target = target_size(size, 100, 80)

    made = apply_one(RESIZE, picture, params_of("resize", size=size))

    assert np.array_equal(made, cv2.resize(picture, target, interpolation=chosen))


def test_the_same_size_is_the_same_picture() -> None:
    picture = noise(31, 17)

    for name in ("auto", *INTERPOLATIONS):
        params = params_of("resize", size="100%", interpolation=name)
        assert np.array_equal(apply_one(RESIZE, picture, params), picture), name


@pytest.mark.parametrize("size", ["20000x2501", "7072x7072", "x20000", "999%"])
def test_a_result_beyond_the_limits_is_refused(size: str) -> None:
    picture = np.zeros((1000, 2600), np.uint8)

    with pytest.raises(ImageTooLargeError, match="pixels"):
        RESIZE.apply(picture, params_of("resize", size=size))


@pytest.mark.parametrize("size", [(MAX_SIDE, 1), (1, MAX_SIDE), (MAX_PIXELS // 5000, 5000)])
def test_a_result_within_the_limits_is_not(size: tuple[int, int]) -> None:
    check_room(*size)


@pytest.mark.parametrize("size", ["", "x", "0", "0%", "-5", "200x300x4", "1000%", "20001", "50 %"])
def test_other_notations_never_get_so_far(size: str) -> None:
    with pytest.raises(InvalidParamsError, match="size"):
        params_of("resize", size=size)
