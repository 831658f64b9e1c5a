import threading

import cv2
import numpy as np
import pytest

from step_app.checkpoints import checkpoint, stop_when
from step_app.errors import UnwantedError
from step_app.settings import Settings
from step_app.steps.base import complete_params
from step_app.steps.deblur import load_deblur
from step_app.steps.grayscale import load_grayscale
from step_app.steps.operation import Operation

PICTURE = np.zeros((8, 8, 3), np.uint8)


def test_work_that_nobody_told_to_stop_goes_on() -> None:
    checkpoint()
    with stop_when(lambda: False):
        checkpoint()


def test_work_that_is_not_wanted_stops_at_the_next_checkpoint() -> None:
    with stop_when(lambda: True), pytest.raises(UnwantedError):
        checkpoint()
    checkpoint()


def test_the_innermost_work_is_asked_for() -> None:
    with stop_when(lambda: True):
        with stop_when(lambda: False):
            checkpoint()
        with pytest.raises(UnwantedError):
            checkpoint()


def test_threads_do_not_stop_each_other() -> None:
    passed = threading.Event()

    def work() -> None:
        checkpoint()
        passed.set()

    with stop_when(lambda: True):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert passed.is_set()


def stops_after(rounds: int, operation: Operation, **params: object) -> int:
    """Run an operation that is not wanted from some checkpoint on; return how often it asked."""
    asked = 0

    def is_unwanted() -> bool:
        nonlocal asked
        asked += 1
        return asked > rounds

    complete = complete_params(operation.step_type, params)
    with stop_when(is_unwanted), pytest.raises(UnwantedError):
        operation.apply(PICTURE, complete)
    return asked


@pytest.mark.parametrize("rounds", [0, 1, 7, 100])
def test_an_iterative_step_stops_between_its_rounds(rounds: int) -> None:
    deblur = load_deblur({}, Settings())
    assert stops_after(rounds, deblur, iterations=100, sigma=1) == rounds + 1


def test_a_measured_step_stops_between_its_passes() -> None:
    grayscale = load_grayscale({}, Settings())
    assert stops_after(50, grayscale, passes=10, repeats=100) == 51


def test_checkpoints_change_no_pixel() -> None:
    deblur = load_deblur({}, Settings())
    params = complete_params(deblur.step_type, {"iterations": 5})
    noise = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    picture = np.asarray(cv2.GaussianBlur(noise, (5, 5), 0), np.uint8)
    (plain,) = deblur.apply(picture, params).pictures
    with stop_when(lambda: False):
        (watched,) = deblur.apply(picture, params).pictures
    assert np.array_equal(plain, watched)
