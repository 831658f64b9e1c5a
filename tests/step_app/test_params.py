from typing import Any

import pytest

from step_app.contract import STEP_TYPES
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


@pytest.mark.parametrize("name", ["topk", "", "__proto__", "size"])
def test_an_unknown_param_is_refused(name: str) -> None:
    with pytest.raises(InvalidParamsError, match="classifier: "):
        complete_params(CLASSIFIER, {}, {name: 1})
