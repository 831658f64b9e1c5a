import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from step_app.errors import InvalidParamsError
from step_app.steps.grayscale import MAX_THREADS, OpenMp, convert, load_grayscale
from step_app.steps.operation import Operation, Pixels
from tests.step_app.pictures import REPOSITORY
from tests.step_app.steps.chunks import SETTINGS, apply_one, noise, params_of, photo_pixels

WITHOUT_OPENMP = """
import sys
sys.modules["numba.np.ufunc.omppool"] = None
from step_app.errors import ConfigurationError
from step_app.steps.grayscale import OpenMp
try:
    OpenMp()
except ConfigurationError as error:
    print(error)
"""
THIRTY_THREADS = """
import numpy, psutil
from step_app.steps.grayscale import OpenMp
openmp = OpenMp()
import numba
before = psutil.Process().num_threads()
openmp.run(numpy.zeros((64, 9, 3), "u1"), numpy.zeros((64, 9), "u1"), threads=30)
print(numba.threading_layer(), psutil.Process().num_threads() - before)
"""
ONLY_IMPORTED = """
import sys
import step_app.steps.grayscale
print("numba" in sys.modules)
"""


class CountedOpenMp(OpenMp):
    """Computes nothing, and remembers on how many threads it was to."""

    def __init__(self) -> None:
        self.runs: list[int] = []

    def run(self, picture: Pixels, grey: Pixels, *, threads: int) -> None:
        if grey.size > picture.shape[1]:  # more than the row that starts the threads
            self.runs.append(threads)


@pytest.fixture(scope="module")
def grayscale() -> Operation:
    """The compiled kernel, once for all tests."""
    return load_grayscale(params_of("grayscale"), SETTINGS)


def run_python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def test_every_colour_has_the_librarys_own_grey(grayscale: Operation) -> None:
    levels = np.arange(2**24, dtype=np.uint32)
    channels = [(levels >> shift) & 255 for shift in (16, 8, 0)]
    colours = np.stack(channels, axis=-1).astype(np.uint8).reshape(4096, 4096, 3)

    made = apply_one(grayscale, colours, params_of("grayscale", threads=2))

    assert np.array_equal(made, cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY))


@pytest.mark.parametrize("threads", [1, 2, 3, 5, MAX_THREADS])
def test_pixels_do_not_depend_on_the_threads(grayscale: Operation, threads: int) -> None:
    params = params_of("grayscale", threads=threads, passes=2, repeats=2)

    for picture in (photo_pixels("espresso", 200), noise(1, 1), noise(3, 500), noise(500, 1)):
        expected = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        assert np.array_equal(apply_one(grayscale, picture, params), expected)


def test_a_grey_picture_stays_as_it_is(grayscale: Operation) -> None:
    picture = noise(30, channels=1)

    assert np.array_equal(apply_one(grayscale, picture, params_of("grayscale")), picture)


def test_threads_are_real_ones_of_openmp() -> None:
    # The thread that asks is one of the team.
    assert run_python(THIRTY_THREADS) == "omp 29"


def test_each_number_of_threads_gets_its_own_timing(grayscale: Operation) -> None:
    picture = noise(200, 300)
    params = params_of("grayscale", threads=[2, 1, 4], passes=3, repeats=5)

    data = json.loads(json.dumps(grayscale.apply(picture, params).data))

    assert (data["passes"], data["repeats"]) == (3, 5)
    assert [timing["threads"] for timing in data["timings"]] == [2, 1, 4]
    base_s = data["timings"][1]["kernel_s"]
    for timing in data["timings"]:
        assert 0 < timing["kernel_min_s"] <= timing["kernel_s"]
        assert (timing["passes"], timing["repeats"]) == (3, 5)
        pixels_per_s = timing["megapixels_per_s"] * 1e6
        assert pixels_per_s * timing["kernel_s"] == pytest.approx(200 * 300 * 3)
        assert timing["speed_up"] == pytest.approx(base_s / timing["kernel_s"])


def test_a_single_number_of_threads_is_its_own_measure(grayscale: Operation) -> None:
    (timing,) = grayscale.apply(noise(20), params_of("grayscale", threads=3)).data["timings"]

    assert timing["threads"] == 3
    assert timing["speed_up"] == 1


def test_the_kernel_runs_as_often_as_it_is_asked_to() -> None:
    openmp = CountedOpenMp()

    convert(openmp, noise(20), params_of("grayscale", threads=[1, 4], passes=3, repeats=2))

    assert openmp.runs == [1] * 6 + [4] * 6


def test_minutes_of_work_are_refused() -> None:
    openmp = CountedOpenMp()
    large = np.broadcast_to(np.uint8(0), (5_000, 10_000, 3))
    params = params_of("grayscale", threads=[1] * 16, passes=10, repeats=100)

    with pytest.raises(InvalidParamsError, match=r"^repeats: .* 800000 megapixels"):
        convert(openmp, large, params)
    assert openmp.runs == []


def test_a_missing_openmp_runtime_is_named() -> None:
    assert "libgomp.so.1" in run_python(WITHOUT_OPENMP)


def test_numba_is_not_imported_until_the_step_is_loaded() -> None:
    assert run_python(ONLY_IMPORTED) == "False"
