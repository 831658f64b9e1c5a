"""Actions: what a client may write, and what it means."""

import json
from typing import Any

import pytest

from dispatcher.errors import InvalidParamsError
from dispatcher.jobs import OperationSpec
from dispatcher.pipelines.actions import MAX_ACTIONS, Actions, parse_actions
from step_app.contract.step_types import STEP_TYPES

RESIZE = {"size": "200x300", "interpolation": "auto", "output": None}
SPLIT = {"rows": 2, "cols": 2, "output": None}
BLUR = {"method": "gaussian", "ksize": 5, "tiles": 1, "output": None}


def parse_one(document: object) -> Actions:
    (actions,) = parse_actions(json.dumps(document))
    return actions


def operate(*operations: object) -> list[OperationSpec]:
    return list(parse_one({"operations": list(operations)}).operations)


def refusal(document: object) -> str:
    with pytest.raises(InvalidParamsError) as refused:
        parse_actions(json.dumps(document))
    return refused.value.detail


# What operations mean


def test_the_example_of_the_reference_system_is_understood() -> None:
    actions = parse_one(
        {
            "operations": [["resize", "200x300"], ["split", True], ["blur", "gaussian"]],
            "output": "jpg",
        }
    )
    assert actions.operations == (
        OperationSpec("resize", RESIZE),
        OperationSpec("split", SPLIT),
        OperationSpec("blur", {**BLUR, "output": "jpg"}),
    )
    assert actions.pictures == 4


def test_operations_stay_in_the_order_of_the_client() -> None:
    for names in (["blur", "split", "sobel"], ["sobel", "blur", "split"], ["blur", "blur"]):
        assert [spec.type for spec in operate(*([name] for name in names))] == names


@pytest.mark.parametrize("value", [True, None, {}])
def test_true_null_and_nothing_mean_the_defaults(value: object) -> None:
    expected = [OperationSpec("blur", BLUR)]
    assert operate(["blur", value]) == expected
    assert operate(["blur"]) == operate({"type": "blur"}) == expected
    assert operate({"type": "blur", "params": value}) == expected


@pytest.mark.parametrize(
    ("operation", "changes"),
    [
        (["resize", "50%"], {"size": "50%"}),
        (["resize", 200], {"size": 200}),
        (["blur", "median"], {"method": "median"}),
        (["upscaling", 4], {"scale": 4}),
        (["deblur", "wiener"], {"method": "wiener"}),
        (["grayscale", [1, 2]], {"threads": [1, 2]}),
        (["sobel", 5], {"ksize": 5}),
        (["blur", {"ksize": 31, "tiles": 4}], {"ksize": 31, "tiles": 4}),
        ({"type": "split", "params": {"rows": 1, "cols": 3}}, {"rows": 1, "cols": 3}),
    ],
)
def test_a_value_sets_the_param_that_matters_most(operation: Any, changes: Any) -> None:
    (spec,) = operate(operation)
    assert {name: spec.params[name] for name in changes} == changes
    assert spec.params.keys() == STEP_TYPES[spec.type].properties.keys(), "the rest is complete"


def test_saying_a_default_and_leaving_it_out_is_the_same() -> None:
    assert operate(["blur", {"ksize": 5}]) == operate(["blur", "gaussian"]) == operate(["blur"])


def test_a_number_is_the_same_with_and_without_a_point() -> None:
    (spec,) = parse_actions('{"operations": [["blur", {"ksize": 7.0}]]}')[0].operations
    assert spec == operate(["blur", {"ksize": 7}])[0]
    assert repr(spec.params["ksize"]) == "7", "equal text gives equal result keys"


def test_a_classifier_takes_only_what_was_given() -> None:
    # Its pool has a configuration of its own, which a default must not override.
    assert operate(["blur"], ["classifier"])[1] == OperationSpec("classifier", {})
    assert operate(["classifier", 3]) == [OperationSpec("classifier", {"top_k": 3})]


@pytest.mark.parametrize(
    ("operations", "pictures"),
    [
        ([["blur"]], 1),
        ([["split", {"rows": 2, "cols": 3}], ["split"], ["blur"]], 24),
        ([["split"], ["classifier"]], 4),
        ([["classifier"]], 0),
    ],
)
def test_how_many_pictures_will_be_made_is_known(operations: Any, pictures: int) -> None:
    assert parse_one({"operations": operations}).pictures == pictures


# output


@pytest.mark.parametrize(
    ("output", "format_"), [("jpg", "jpg"), ("jpeg", "jpg"), ("png", "png"), ("webp", "webp")]
)
def test_the_last_picture_is_delivered_in_the_format_asked_for(output: str, format_: str) -> None:
    operations = [["resize", "50%"], ["blur"], ["classifier"]]
    resize, blur, classifier = parse_one({"operations": operations, "output": output}).operations
    assert (resize.params["output"], blur.params["output"]) == (None, format_)
    assert "output" not in classifier.params


def test_an_operation_that_names_its_own_format_keeps_it() -> None:
    document = {"operations": [["blur", {"output": "webp"}]], "output": "png"}
    assert parse_one(document).operations[0].params["output"] == "webp"
    document = {"operations": [["blur", {"output": None}]], "output": "png"}
    assert parse_one(document).operations[0].params["output"] == "png"


@pytest.mark.parametrize("document", [{}, {"output": None}])
def test_without_one_the_format_of_the_file_stays(document: dict[str, Any]) -> None:
    assert operate(["blur"]) == list(parse_one({"operations": [["blur"]], **document}).operations)


@pytest.mark.parametrize("output", ["exe", "", "PNG", "gif", 1, True, [], ["png"], {}])
def test_another_format_is_refused_with_those_there_are(output: object) -> None:
    detail = refusal({"operations": [["blur"]], "output": output})
    assert detail == "actions.output: must be one of jpg, jpeg, png, webp."


def test_a_format_without_a_picture_is_refused() -> None:
    detail = refusal({"operations": [["classifier"]], "output": "png"})
    assert detail == "actions.output: no operation makes a picture."


# Several actions


def test_a_list_of_objects_is_several_actions() -> None:
    first, second = {"operations": [["blur"]]}, {"operations": [["sobel"]], "output": "png"}
    assert parse_actions(json.dumps([first, second])) == (parse_one(first), parse_one(second))


@pytest.mark.parametrize("count", [0, MAX_ACTIONS + 1])
def test_a_list_has_one_to_eight_objects(count: int) -> None:
    assert "1 to 8" in refusal([{"operations": [["blur"]]}] * count)
    assert len(parse_actions(json.dumps([{"operations": [["blur"]]}] * MAX_ACTIONS))) == 8


def test_an_error_in_a_list_names_the_entry() -> None:
    detail = refusal([{"operations": [["blur"]]}, {"operations": [["blur"], ["sobel", 4]]}])
    assert detail == "actions[1].operations[1] (sobel): ksize must be one of 1, 3, 5, 7."


def test_an_error_names_the_field_as_it_is_told_to() -> None:
    with pytest.raises(InvalidParamsError, match=r"^actions \(field 2\) is not valid JSON\.$"):
        parse_actions("{", where="actions (field 2)")
