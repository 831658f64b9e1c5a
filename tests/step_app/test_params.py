from typing import Any

import pytest

from step_app.contract.step_types import STEP_TYPES
from step_app.errors import InvalidParamsError
from step_app.steps.base import complete_params

CLASSIFIER = STEP_TYPES["classifier"]
DEFAULTS = {
    "model": "efficientnet_lite0",
    "weights": None,
    "top_k": 5,
    "precision": "auto",
    "runtime": "auto",
}


def test_without_anything_the_defaults_are_in_force() -> None:
    assert complete_params(CLASSIFIER, {}) == DEFAULTS


def test_what_was_configured_beats_the_defaults() -> None:
    params = complete_params(CLASSIFIER, {"model": "resnet18", "top_k": 1})
    assert params == {**DEFAULTS, "model": "resnet18", "top_k": 1}


def test_an_override_beats_what_was_configured() -> None:
    assert complete_params(CLASSIFIER, {"top_k": 1}, {"top_k": 7})["top_k"] == 7


def test_neither_the_configuration_nor_the_override_is_changed() -> None:
    configured, override = {"top_k": 1}, {"top_k": 2}
    complete_params(CLASSIFIER, configured, override)
    assert (configured, override) == ({"top_k": 1}, {"top_k": 2})


@pytest.mark.parametrize("name", sorted(CLASSIFIER.fixed))
def test_a_param_that_chose_what_is_loaded_cannot_be_overridden(name: str) -> None:
    with pytest.raises(InvalidParamsError, match=f"{name}: is fixed"):
        complete_params(CLASSIFIER, {}, {name: DEFAULTS[name]})


@pytest.mark.parametrize("value", [0, -1, 1001, 2.5, "5", None, True, [], {}, float("nan")])
def test_a_value_out_of_range_is_refused_with_its_name(value: Any) -> None:
    with pytest.raises(InvalidParamsError, match="top_k: ") as caught:
        complete_params(CLASSIFIER, {}, {"top_k": value})
    assert (caught.value.status, caught.value.code) == (422, "invalid_params")


@pytest.mark.parametrize(
    "configured",
    [{"runtime": "onnx"}, {"precision": "int8"}, {"model": 3}, {"weights": []}, {"top_k": 0}],
)
def test_a_configuration_out_of_range_is_refused(configured: dict[str, Any]) -> None:
    with pytest.raises(InvalidParamsError, match=next(iter(configured))):
        complete_params(CLASSIFIER, configured)


def test_a_whole_number_may_be_written_with_a_point() -> None:
    params = complete_params(STEP_TYPES["resize"], {}, {"size": 200.0})
    assert params["size"] == 200
    assert isinstance(params["size"], int)
    assert complete_params(STEP_TYPES["deblur"], {"sigma": 2.5})["sigma"] == 2.5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_refused_where_any_number_would_do(value: float) -> None:
    with pytest.raises(InvalidParamsError, match="sigma: "):
        complete_params(STEP_TYPES["deblur"], {"sigma": value})
    with pytest.raises(InvalidParamsError, match="sigma: "):
        complete_params(STEP_TYPES["deblur"], {}, {"sigma": value})


def test_a_param_without_a_default_has_to_be_given() -> None:
    with pytest.raises(InvalidParamsError, match="'size' is a required property"):
        complete_params(STEP_TYPES["resize"], {})
    assert complete_params(STEP_TYPES["resize"], {"size": "50%"})["size"] == "50%"
    assert complete_params(STEP_TYPES["resize"], {"size": "50%"}, {"size": 9})["size"] == 9


def test_only_a_pipeline_may_name_a_file_to_enlarge_with() -> None:
    upscaling = STEP_TYPES["upscaling"]
    configured = {"method": "model.onnx"}
    assert complete_params(upscaling, configured)["method"] == "model.onnx"
    assert complete_params(upscaling, configured, {"scale": 2})["method"] == "model.onnx"
    assert complete_params(upscaling, configured, {"method": "bicubic"})["method"] == "bicubic"
    with pytest.raises(InvalidParamsError, match="method: ") as caught:
        complete_params(upscaling, configured, {"method": "other.onnx"})
    assert "lanczos" in caught.value.detail


@pytest.mark.parametrize("name", ["topk", "", "__proto__", "size"])
def test_an_unknown_param_is_refused(name: str) -> None:
    with pytest.raises(InvalidParamsError, match="classifier: "):
        complete_params(CLASSIFIER, {}, {name: 1})
