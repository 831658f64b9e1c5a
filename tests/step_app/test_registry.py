from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from step_app.codec import decode_upright_pixels
from step_app.contract.step_types import STEP_TYPES
from step_app.encoding import encode_picture
from step_app.errors import ConfigurationError, InvalidParamsError, StepError
from step_app.settings import Settings, StepConfig
from step_app.steps.base import PictureOutput, Step, StepRequest
from step_app.steps.operation import Pixels
from step_app.steps.registry import load_step
from tests.step_app.chaining import koala

Link = tuple[str, Mapping[str, Any]]
SINGLE = ["upscaling", "deblur", "grayscale", "sobel", "blur", "resize", "split"]
LEAST = {"resize": {"size": "50%"}}
"""Params that a step type must be given."""


def load(step_type: str, params: Mapping[str, Any] | None = None) -> Step:
    given = LEAST.get(step_type, {}) if params is None else params
    return load_step(StepConfig("p", "3", step_type, given), Settings(step_threads=2))


def pictures(step: Step, image: bytes, params: Mapping[str, Any] | None = None) -> list[Pixels]:
    outcome = step.run([step.prepare(StepRequest(image, params or {}))])[0]
    assert isinstance(outcome, PictureOutput)
    return [decode_upright_pixels(picture.body) for picture in outcome.reply.pictures]


def chained(*operations: Link, **more: Any) -> dict[str, Any]:
    return {"operations": [list(operation) for operation in operations], **more}


@pytest.fixture(scope="module")
def operations() -> Step:
    """The step that runs whatever chain a request brings."""
    return load("operations")


def test_every_step_type_is_one_that_can_be_loaded() -> None:
    assert STEP_TYPES.keys() == {*SINGLE, "classifier", "operations"}


@pytest.mark.parametrize("step_type", SINGLE)
def test_a_single_operation_is_a_step(step_type: str) -> None:
    step = load(step_type)
    assert (step.description, step.is_batched) == ({"model": step_type}, False)
    assert step.revision.startswith(f"{step_type}-")
    assert pictures(step, koala())


def test_params_of_a_request_change_what_a_single_operation_does() -> None:
    step = load("resize", {"size": "40x30"})
    assert pictures(step, koala())[0].shape == (30, 40, 3)
    assert pictures(step, koala(), {"size": "4x3"})[0].shape == (3, 4, 3)


@pytest.mark.parametrize(
    ("step_type", "params", "complaint"),
    [
        ("sharpening", {}, "unknown step type 'sharpening': known are blur, classifier, deblur,"),
        ("resize", {}, r"step 3 \(resize\): .*'size' is a required property"),
        ("resize", {"size": "0x5"}, r"step 3 \(resize\): size: "),
        ("sobel", {"ksize": 4}, r"step 3 \(sobel\): ksize: "),
        ("operations", {"operations": "blur"}, r"step 3 \(operations\): operations: "),
        ("upscaling", {"method": "/nowhere/model.onnx"}, "/nowhere/model.onnx"),
    ],
)
def test_a_step_that_can_never_work_is_not_loaded(
    step_type: str, params: Mapping[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        load(step_type, params)


def test_a_request_brings_its_own_chain(operations: Step) -> None:
    made = pictures(
        operations,
        koala(),
        chained(("resize", {"size": "40x30"}), ("split", {"rows": 3, "cols": 1})),
    )
    assert [pixels.shape for pixels in made] == [(10, 40, 3)] * 3


def test_a_chain_in_one_replica_is_what_single_operations_make_one_after_the_other(
    operations: Step,
) -> None:
    chain: list[Link] = [("blur", {"ksize": 7}), ("sobel", {}), ("resize", {"size": "150%"})]
    alone = [decode_upright_pixels(koala())]
    for step_type, params in chain:
        body = encode_picture(alone[0], "image/png").body
        alone = pictures(load(step_type, params), body)
    assert np.array_equal(pictures(operations, koala(), chained(*chain)), alone)


def test_without_a_chain_of_its_own_a_request_gets_the_configured_one() -> None:
    step = load("operations", chained(("resize", {"size": "4x3"})))
    assert pictures(step, koala())[0].shape == (3, 4, 3)
    assert pictures(step, koala(), chained(("resize", {"size": "8x6"})))[0].shape == (6, 8, 3)


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        (chained(("sharpening", {})), "operations: an unknown type; known are blur, deblur"),
        (chained(("classifier", {})), "operations: an unknown type"),
        (chained(("operations", chained())), "operations: an unknown type"),
        (chained(("blur", {}), ("sobel", {"ksize": 2})), "ksize: "),
        (chained(("sobel", {"surprise": 1})), "sobel: "),
        (chained(("resize", {})), "'size' is a required property"),
        (chained(("upscaling", {"method": "/etc/model.onnx"})), "method: "),
        (chained(("deblur", {"sigma": float("nan")})), "sigma: NaN"),
        (chained(*[("sobel", {})] * 33), "operations: "),
        ({"operations": [["sobel"]]}, "operations.0: "),
        ({"operations": None}, "operations: "),
        ({"surprise": 1}, "operations: "),
    ],
)
def test_a_chain_that_cannot_be_is_refused(
    operations: Step, params: Mapping[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidParamsError, match=complaint):
        operations.prepare(StepRequest(koala(), params))


@pytest.mark.parametrize(
    ("params", "media_type"),
    [
        (chained(("sobel", {})), "image/png"),
        (chained(("sobel", {"output": "jpg"})), "image/jpeg"),
        (chained(("sobel", {}), output="webp"), "image/webp"),
        (chained(("sobel", {"output": "jpg"}), output="webp"), "image/webp"),
    ],
)
def test_a_chain_may_name_its_format(
    operations: Step, params: Mapping[str, Any], media_type: str
) -> None:
    outcome = operations.run([operations.prepare(StepRequest(koala(), params))])[0]
    assert isinstance(outcome, PictureOutput)
    assert outcome.reply.pictures[0].media_type == media_type


def test_splitting_again_and_again_is_refused(operations: Step) -> None:
    image = encode_picture(np.zeros((64, 64), np.uint8), "image/png").body
    quarters: list[Link] = [("split", {"rows": 4, "cols": 4})]
    assert len(pictures(operations, image, chained(*quarters * 2))) == 256
    with pytest.raises(StepError, match="more than 1024 pieces"):
        pictures(operations, image, chained(*quarters * 3))


def test_the_revision_of_a_chain_names_the_arithmetic_of_every_operation(operations: Step) -> None:
    for step_type in SINGLE:
        assert load(step_type).revision in operations.revision
    assert operations.description == {"model": "operations"}
