"""Bands: whatever is cut, the picture is the one that the operation makes of the whole."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import cv2
import numpy as np
import pytest

from step_app.checkpoints import stop_when
from step_app.errors import UnwantedError
from step_app.settings import Settings
from step_app.steps import bands
from step_app.steps.bands import apply_in_bands
from step_app.steps.base import complete_params
from step_app.steps.blur import load_blur
from step_app.steps.operation import Applied, Halo, Operation, Pixels
from step_app.steps.resize import load_resize
from step_app.steps.sobel import load_sobel

OPERATIONS: Final = {
    "blur": load_blur({}, Settings()),
    "sobel": load_sobel({}, Settings()),
}
EVERY_WAY: Final[list[tuple[str, dict[str, Any]]]] = [
    *(("blur", {"method": "gaussian", "ksize": side}) for side in (3, 9)),
    *(("blur", {"method": "median", "ksize": side}) for side in (3, 9)),
    *(("blur", {"method": "bilateral", "ksize": side}) for side in (3, 9)),
    *(("blur", {"method": "updownsampling", "ksize": side}) for side in (3, 9)),
    *(("sobel", {"ksize": side}) for side in (1, 3, 7)),
]


def picture(height: int, width: int = 90, *, is_grey: bool = False) -> Pixels:
    shape = (height, width) if is_grey else (height, width, 3)
    noise = np.random.default_rng(height).integers(0, 256, shape, np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (3, 3), 0), np.uint8)


def both(name: str, params: Mapping[str, Any], pixels: Pixels) -> tuple[Pixels, Pixels]:
    """What the operation makes of the whole picture, and in bands."""
    operation = OPERATIONS[name]
    complete = complete_params(operation.step_type, params)
    (whole,) = operation.apply(pixels, complete).pictures
    (banded,) = apply_in_bands(operation, pixels, complete).pictures
    return whole, banded


@pytest.mark.parametrize("is_grey", [False, True])
@pytest.mark.parametrize(("name", "params"), EVERY_WAY)
def test_the_picture_is_the_same_bit_for_bit(
    monkeypatch: pytest.MonkeyPatch, name: str, params: Mapping[str, Any], is_grey: bool
) -> None:
    monkeypatch.setattr(bands, "BAND_S", 0.0)  # as low as bands may be
    for height in (500, 1001):
        whole, banded = both(name, params, picture(height, is_grey=is_grey))
        assert np.array_equal(whole, banded)


@pytest.mark.parametrize("band_s", [0.0, 1e-4, 1e-3, 10.0])
def test_so_it_is_however_high_the_bands_are(
    monkeypatch: pytest.MonkeyPatch, band_s: float
) -> None:
    monkeypatch.setattr(bands, "BAND_S", band_s)
    whole, banded = both("blur", {"method": "bilateral", "ksize": 5}, picture(1500))
    assert np.array_equal(whole, banded)


class Noting:
    """An operation that notes the rows of each picture that it is given."""

    def __init__(self, *, halo: Halo | None = None) -> None:
        self.rows: list[int] = []
        step_type = OPERATIONS["sobel"].step_type
        self.operation = Operation(
            step_type,
            revision="1",
            apply=self._apply,
            halo=None if halo is None else lambda _: halo,
        )

    def _apply(self, pixels: Pixels, _: Mapping[str, Any]) -> Applied:
        self.rows.append(pixels.shape[0])
        return Applied([pixels.copy()])


def test_quick_work_is_done_in_one_go() -> None:
    noting = Noting(halo=Halo(1))
    pixels = picture(1000)
    (made,) = apply_in_bands(noting.operation, pixels, {}).pictures
    assert noting.rows == [65, 1000], "the first rows tell how long all take"
    assert np.array_equal(made, pixels)


def test_a_picture_that_is_hardly_higher_than_a_band_is_not_cut() -> None:
    noting = Noting(halo=Halo(10))
    apply_in_bands(noting.operation, picture(319), {})
    assert noting.rows == [319]


def test_an_operation_that_cannot_be_cut_is_not() -> None:
    noting = Noting()
    apply_in_bands(noting.operation, picture(5000, 10), {})
    assert noting.rows == [5000]


def test_an_operation_that_stops_itself_is_not_cut() -> None:
    noting = Noting(halo=Halo(1))
    patient = replace(noting.operation, stops_itself=True)
    apply_in_bands(patient, picture(5000, 10), {})
    assert noting.rows == [5000]


def test_little_is_computed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "BAND_S", 0.0)
    noting = Noting(halo=Halo(20))
    apply_in_bands(noting.operation, picture(4000, 10), {})
    assert len(noting.rows) > 5
    assert sum(noting.rows) <= 4000 * (1 + 1 / 8)


@pytest.mark.parametrize("bands_done", [0, 1, 3])
def test_work_that_is_not_wanted_any_more_stops_between_two_bands(
    monkeypatch: pytest.MonkeyPatch, bands_done: int
) -> None:
    monkeypatch.setattr(bands, "BAND_S", 0.0)
    noting = Noting(halo=Halo(1))
    with (
        stop_when(lambda: len(noting.rows) >= bands_done),
        pytest.raises(UnwantedError),
    ):
        apply_in_bands(noting.operation, picture(2000, 10), {})
    assert len(noting.rows) == bands_done


def test_one_that_cannot_be_cut_is_not_begun_when_it_is_not_wanted() -> None:
    resize = load_resize({}, Settings())
    params = complete_params(resize.step_type, {"size": "50%"})
    with stop_when(lambda: True), pytest.raises(UnwantedError):
        apply_in_bands(resize, picture(20), params)
