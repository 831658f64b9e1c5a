from types import SimpleNamespace

import numpy as np
import pytest

from step_app.calibration import (
    REFERENCE,
    calibration_photos,
    candidates,
    fastest_with_same_labels,
)
from step_app.runtime import Pixels, Precision, Probabilities, Runtime, RuntimeChoice, RuntimeName

LABELS = (3, 1, 4, 1)
PIXELS: Pixels = np.zeros((4, 8, 8, 3), dtype=np.uint8)


class Clock:
    """A clock that stands still until somebody works."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class PacedRuntime:
    """Gives the labels it was told to give and takes the time it was told to take."""

    def __init__(self, clock: Clock, *paces_s: float, labels: tuple[int, ...] = LABELS) -> None:
        self._clock = clock
        self._paces_s = list(paces_s)
        self._labels = labels

    def infer(self, pixels: Pixels) -> Probabilities:
        assert len(pixels) == len(self._labels)
        self._clock.now += self._paces_s.pop(0) if len(self._paces_s) > 1 else self._paces_s[0]
        return np.eye(10, dtype=np.float32)[list(self._labels)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(
        "step_app.calibration.time", SimpleNamespace(perf_counter=clock.perf_counter)
    )
    return clock


def names(choices: list[RuntimeChoice]) -> list[str]:
    return [f"{choice.runtime} {choice.precision}" for choice in choices]


def choice(runtime: RuntimeName, precision: Precision) -> RuntimeChoice:
    return RuntimeChoice(runtime=runtime, precision=precision)


def fastest(clock: Clock, runtimes: dict[RuntimeChoice, Runtime]) -> RuntimeChoice:
    return fastest_with_same_labels(runtimes, reference=PacedRuntime(clock, 9.0), pixels=PIXELS)


def test_auto_picks_the_fastest_of_those_that_agree(clock: Clock) -> None:
    runtimes: dict[RuntimeChoice, Runtime] = {
        choice("openvino", "f32"): PacedRuntime(clock, 2.0),
        choice("openvino", "bf16"): PacedRuntime(clock, 1.0),
        choice("torch", "f32"): PacedRuntime(clock, 5.0),
    }
    assert fastest(clock, runtimes) == choice("openvino", "bf16")


def test_auto_drops_one_that_disagrees_on_a_single_photo(clock: Clock) -> None:
    runtimes: dict[RuntimeChoice, Runtime] = {
        choice("openvino", "f32"): PacedRuntime(clock, 2.0),
        choice("openvino", "bf16"): PacedRuntime(clock, 1.0, labels=(3, 1, 4, 2)),
    }
    assert fastest(clock, runtimes) == choice("openvino", "f32")


def test_when_none_agrees_the_reference_itself_is_taken(clock: Clock) -> None:
    runtimes: dict[RuntimeChoice, Runtime] = {
        choice("openvino", "bf16"): PacedRuntime(clock, 1.0, labels=(0, 0, 0, 0)),
    }
    assert fastest(clock, runtimes) == REFERENCE == choice("torch", "f32")


def test_one_disturbed_run_does_not_spoil_a_measurement(clock: Clock) -> None:
    runtimes: dict[RuntimeChoice, Runtime] = {
        choice("openvino", "bf16"): PacedRuntime(clock, 1.0, 60.0, 1.0),
        choice("openvino", "f32"): PacedRuntime(clock, 2.0),
    }
    assert fastest(clock, runtimes) == choice("openvino", "bf16")


@pytest.mark.parametrize(
    ("runtime", "precision", "has_bf16", "has_gpu", "expected"),
    [
        (
            "auto",
            "auto",
            True,
            False,
            ["openvino bf16", "openvino f32", "torch bf16", "torch f32"],
        ),
        ("auto", "auto", False, False, ["openvino f32", "torch f32"]),
        ("auto", "auto", False, True, ["torch bf16", "torch f32"]),
        ("auto", "f32", True, False, ["openvino f32", "torch f32"]),
        ("torch", "auto", True, False, ["torch bf16", "torch f32"]),
        ("openvino", "auto", False, True, ["openvino f32", "openvino bf16"]),
        ("openvino", "bf16", False, False, ["openvino bf16"]),
        ("torch", "f32", True, True, ["torch f32"]),
    ],
)
def test_candidates_are_what_was_asked_for_and_what_the_hardware_does(
    *, runtime: str, precision: str, has_bf16: bool, has_gpu: bool, expected: list[str]
) -> None:
    found = candidates(runtime=runtime, precision=precision, has_bf16=has_bf16, has_gpu=has_gpu)
    assert sorted(names(found)) == sorted(expected)


@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (232, 224), (224, 224), (342, 299)])
def test_the_calibration_photos_fit_what_the_network_sees(resize: int, crop: int) -> None:
    photos = calibration_photos(resize=resize, crop=crop)
    assert photos.shape == (10, crop, crop, 3)
    assert photos.dtype == np.uint8
    assert len({photo.tobytes() for photo in photos}) == 10
    assert all(photo.std() > 10 for photo in photos)
