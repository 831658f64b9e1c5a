"""Chains that run by themselves: real replicas that forward to each other over HTTP."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from step_app.codec import decode_upright_pixels
from step_app.contract.limits import MAX_IMAGE_BYTES
from step_app.contract.pictures import RAW_MEDIA_TYPE
from step_app.encoding import encode_picture
from step_app.settings import Settings, StepConfig
from step_app.steps.base import PictureOutput, Step, StepRequest
from step_app.steps.operation import Pixels
from step_app.steps.registry import load_step
from tests.step_app.chaining import koala
from tests.step_app.conftest import CLASSIFIER_PARAMS
from tests.step_app.in_process import problem
from tests.step_app.pictures import photo, rotated_by_exif, small_photo
from tests.step_app.running_pipeline import RunningPipeline, running, step

BLUR = ("blur", {"ksize": 7})
ENLARGE = ("resize", {"size": "150%"})
EDGES = ("sobel", {"ksize": 5})


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPipeline]:
    """Three steps; the tests leave their records as they are."""
    steps = [step(*operation) for operation in (BLUR, ENLARGE, EDGES)]
    with running(tmp_path_factory.mktemp("records"), *steps) as pipeline:
        yield pipeline


@pytest.fixture
def four(tmp_path: Path) -> Iterator[RunningPipeline]:
    """Four steps of which the first prefers the third."""
    steps = [step(*BLUR, preferred_next=2), step(*ENLARGE), step(*EDGES), step(*BLUR)]
    with running(tmp_path, *steps) as pipeline:
        yield pipeline


@cache
def all_operations() -> Step:
    return load_step(StepConfig("q", "0", "operations", {}), Settings(step_threads=1))


def in_one_process(image: bytes, *operations: tuple[str, Any]) -> bytes:
    """Return what one replica makes of an image with all these operations."""
    params = {"operations": [list(operation) for operation in operations]}
    chain = all_operations()
    outcome = chain.run([chain.prepare(StepRequest(image, params))])[0]
    assert isinstance(outcome, PictureOutput)
    return outcome.reply.pictures[0].body


def steps_passed(answer: httpx.Response) -> list[str]:
    """Return the ids of the steps whose times an answer tells."""
    times = {k: v for k, v in answer.headers.items() if k.startswith("x-step-")}
    assert all(0 < float(value) < 30 for value in times.values())
    return sorted(name.removeprefix("x-step-").removesuffix("-time") for name in times)


def picture(answer: httpx.Response, media_type: str = "image/png") -> Pixels:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == media_type
    return decode_upright_pixels(answer.content)


def pieces(answer: httpx.Response) -> Sequence[Pixels]:
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return [decode_upright_pixels(archive.read(name)) for name in archive.namelist()]


def test_the_answer_is_the_picture_of_the_last_step_with_the_time_of_every_step(
    three: RunningPipeline,
) -> None:
    answer = three.process(koala())
    assert picture(answer).shape == (96, 72, 3)
    assert steps_passed(answer) == ["0", "1", "2"]


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_a_chain_over_http_makes_the_very_picture_that_one_replica_makes(
    three: RunningPipeline, image_format: str
) -> None:
    image = koala(200, image_format)
    assert three.process(image).content == in_one_process(image, BLUR, ENLARGE, EDGES)


def test_a_chain_may_be_entered_at_any_step(three: RunningPipeline) -> None:
    answer = three.process(koala(), step_id="1")
    assert answer.content == in_one_process(koala(), ENLARGE, EDGES)
    assert steps_passed(answer) == ["1", "2"]
    assert steps_passed(three.process(koala(), step_id="2")) == ["2"]


@pytest.mark.parametrize("value", ["none", "None", "NONE"])
def test_a_request_may_ask_for_one_step_alone(three: RunningPipeline, value: str) -> None:
    answer = three.process(koala(), X_Forward=value)
    assert answer.content == in_one_process(koala(), BLUR)
    assert steps_passed(answer) == ["0"]


@pytest.mark.parametrize("value", ["", "all", "yes"])
def test_any_other_word_lets_a_picture_go_on(three: RunningPipeline, value: str) -> None:
    assert steps_passed(three.process(koala(), X_Forward=value)) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("image_format", "media_type"),
    [
        ("JPEG", "image/jpeg"),
        ("WEBP", "image/webp"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("GIF", "image/png"),
    ],
)
def test_the_last_picture_has_the_format_of_the_first(
    three: RunningPipeline, image_format: str, media_type: str
) -> None:
    assert picture(three.process(koala(64, image_format)), media_type).shape == (96, 72, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_stored_turn_is_undone_once(three: RunningPipeline, orientation: int) -> None:
    image = rotated_by_exif(small_photo("koala", 64), orientation, "PNG")
    assert three.process(image).content == three.process(koala()).content


def test_many_pictures_at_once_get_each_its_own_answer(three: RunningPipeline) -> None:
    images = [koala(side) for side in range(20, 44)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(three.process, images))
    for side, answer in zip(range(20, 44), answers, strict=True):
        assert picture(answer).shape[0] == side * 3 // 2 + side % 2


def test_a_picture_may_be_larger_between_two_steps_than_any_file_sent(
    three: RunningPipeline,
) -> None:
    pixels = np.zeros((2500, 3000, 3), np.uint8)
    assert pixels.nbytes > MAX_IMAGE_BYTES
    body = encode_picture(pixels, RAW_MEDIA_TYPE).body
    assert problem(three.process(body, step_id="2")) == (413, "payload_too_large")
    forwarded = three.process(body, step_id="2", X_Output_Type="image/png")
    assert picture(forwarded).shape == (2500, 3000, 3)


def test_a_body_too_long_is_refused_before_any_step(three: RunningPipeline) -> None:
    assert problem(three.process(bytes(MAX_IMAGE_BYTES + 1))) == (413, "payload_too_large")


def test_the_preferred_step_comes_next_and_what_lies_between_is_skipped(
    four: RunningPipeline,
) -> None:
    answer = four.process(koala())
    assert steps_passed(answer) == ["0", "2", "3"]
    assert answer.content == in_one_process(koala(), BLUR, EDGES, BLUR)


def test_without_the_preferred_step_the_first_active_one_comes_next(four: RunningPipeline) -> None:
    four.remove_record("2")
    answer = four.process(koala())
    assert steps_passed(answer) == ["0", "1", "3"]
    assert answer.content == in_one_process(koala(), BLUR, ENLARGE, BLUR)
    four.put_record("2", four.urls["2"])
    assert steps_passed(four.process(koala())) == ["0", "2", "3"]


def test_steps_that_are_not_active_are_passed_over(four: RunningPipeline) -> None:
    four.remove_record("1")
    four.remove_record("2")
    assert steps_passed(four.process(koala())) == ["0", "3"]


def test_the_last_step_that_names_a_format_decides_it(tmp_path: Path) -> None:
    steps = [
        step("blur", {"output": "jpg"}),
        step("sobel", {"output": "webp"}),
        step("resize", {"size": "50%"}),
    ]
    with running(tmp_path, *steps) as pipeline:
        assert picture(pipeline.process(koala()), "image/webp").shape == (32, 24, 3)
        only_first = pipeline.process(koala(), X_Forward="none")
        assert picture(only_first, "image/jpeg").shape == (64, 48, 3)
        pipeline.remove_record("1")
        assert picture(pipeline.process(koala()), "image/jpeg").shape == (32, 24, 3)


def test_what_was_split_goes_on_piece_by_piece_and_comes_back_as_one_zip(tmp_path: Path) -> None:
    half = {"size": "50%", "interpolation": "nearest"}
    with running(
        tmp_path, step("split"), step("resize", half), step("split", {"cols": 1})
    ) as three:
        twice = three.process(koala())
        assert steps_passed(twice) == ["0", "1", "2"]
        assert [pixels.shape for pixels in pieces(twice)] == [(8, 12, 3)] * 8
    quarters = [np.concatenate(pieces(twice)[n : n + 2]) for n in range(0, 8, 2)]
    top, bottom = (np.concatenate(quarters[n : n + 2], axis=1) for n in (0, 2))
    whole = decode_upright_pixels(in_one_process(koala(), ("resize", half)))
    assert np.array_equal(np.concatenate([top, bottom]), whole)


def test_a_classifier_at_the_end_answers_with_its_data_and_all_times(
    tmp_path: Path, step_settings: Settings
) -> None:
    steps = [step("blur", {"ksize": 3}), step("classifier", CLASSIFIER_PARAMS)]
    with running(tmp_path, *steps, settings=step_settings) as pipeline:
        answer = pipeline.process(photo("koala"), X_Filename="r%C3%A9s%20%E7%8C%AB.jpg")
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["predictions"][0] == "koala"
        assert answer.json()["filename"] == "r\u00e9s \u732b.jpg"
        assert steps_passed(answer) == ["0", "1"]
        form = {"image": ("100% \u732b.jpg", photo("koala"))}
        sent = httpx.post(f"{pipeline.urls['0']}/process", files=form, trust_env=False)
        assert sent.json()["filename"] == "100% \u732b.jpg"


def test_a_classifier_answers_for_each_piece(tmp_path: Path, step_settings: Settings) -> None:
    steps = [step("split", {"rows": 1}), step("classifier", CLASSIFIER_PARAMS)]
    with running(tmp_path, *steps, settings=step_settings) as pipeline:
        answer = pipeline.process(photo("koala"))
        outputs = answer.json()["outputs"]
        assert [len(output["predictions"]) for output in outputs] == [5, 5]
        assert outputs[0] != outputs[1]
        assert steps_passed(answer) == ["0", "1"]
