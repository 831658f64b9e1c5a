import re
from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from step_app.contract.limits import MAX_SIDE
from step_app.contract.step_types import STEP_TYPES, StepType
from step_app.contract.tiles import MAX_TILES

every_type = pytest.mark.parametrize("step_type", STEP_TYPES.values(), ids=lambda t: t.name)
every_param = pytest.mark.parametrize(
    ("step_type", "param"),
    [(step_type, name) for step_type in STEP_TYPES.values() for name in step_type.properties],
    ids=lambda value: value.name if isinstance(value, StepType) else value,
)
MUST_BE_GIVEN = {"resize": {"size": "50%"}}
"""Params without a default, by step type, and one that will do."""

SIZES = ["200x300", "1x1", "20000x20000", "200", "200x", "x300", "1", "20000", "20000x", "x20000"]
SIZES += ["50%", "1%", "999%", "100.5%", "33.333%", "0.5%", ".5%", "0.001%", "12.500%"]
SIZES_IN_NUMBERS = [1, 200, MAX_SIDE, 200.0]
NO_SIZES = ["x", "0", "0x5", "5x0", "x0", "0x", "0x10", "200x300x400", "200X300", "200,300"]
NO_SIZES += ["200*300", "-5", "+5", "-5x5", "1e3", "20001", "20001x5", "x20001", "100000"]
NO_SIZES += ["99999x99999", "020", "x020", "200.0", "1_000", "NaN", "inf", "0%", "0.0%", "0.000%"]
NO_SIZES += ["00%", "%", ".%", "1000%", "-50%", "50%%", "5.%", "1e2%", "12.3456%", "0.0001%"]
NO_SIZES += ["50%x50%", "", " 200", "200 ", "200 x 300", "50 %", "\n200", "200\n", "200x300\n"]
NO_SIZES += ["x300\n", "50%\n", "\u0662\u0660", "\uff12x\uff13", "\u00b2x\u00b2", "200\u00d7300"]
NO_SIZES_IN_NUMBERS = [0, -1, MAX_SIDE + 1, 100_000, 0.5, 200.5, 1e300]


def validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(schema)


def size_is_valid(size: object) -> bool:
    return validator(STEP_TYPES["resize"].params).is_valid({"size": size})


@every_type
def test_the_params_of_every_type_are_a_valid_schema(step_type: StepType) -> None:
    Draft202012Validator.check_schema(step_type.params)
    Draft202012Validator.check_schema(step_type.request_params)


@every_type
def test_every_type_is_known_by_its_own_name(step_type: StepType) -> None:
    assert STEP_TYPES[step_type.name] is step_type
    assert re.fullmatch("[a-z_]+", step_type.name)


@every_type
def test_a_step_of_every_type_can_be_had_with_the_least_said(step_type: StepType) -> None:
    least = MUST_BE_GIVEN.get(step_type.name, {})
    assert validator(step_type.params).is_valid(least)
    assert set(step_type.params["required"]) == least.keys()
    for name in least:
        assert not validator(step_type.params).is_valid({})
        assert "default" not in step_type.properties[name]


@every_param
def test_every_default_and_every_example_is_valid(step_type: StepType, param: str) -> None:
    schema = step_type.properties[param]
    values = [schema["default"]] if "default" in schema else []
    for value in [*values, *schema.get("examples", ())]:
        assert validator(schema).is_valid(value), value


@every_type
def test_no_type_takes_a_param_that_it_does_not_know(step_type: StepType) -> None:
    least = MUST_BE_GIVEN.get(step_type.name, {})
    for name in ("", "Size", "__proto__", "surprise"):
        assert not validator(step_type.params).is_valid({**least, name: 1})
        assert not validator(step_type.request_params).is_valid({**least, name: 1})


@every_type
def test_shorthands_and_special_rules_are_of_params_that_exist(step_type: StepType) -> None:
    assert step_type.fixed <= step_type.properties.keys()
    assert step_type.narrowed.keys() <= step_type.properties.keys()
    if step_type.shorthand is not None:
        assert step_type.shorthand in step_type.properties


@every_type
def test_a_request_may_say_no_more_than_a_pipeline(step_type: StepType) -> None:
    for name, narrowed in step_type.narrowed.items():
        for value in [narrowed["default"], *narrowed["enum"]]:
            assert validator(step_type.properties[name]).is_valid(value)


@every_type
def test_whatever_gives_pictures_can_be_asked_for_a_format(step_type: StepType) -> None:
    gives_pictures = step_type.output != "json"
    assert ("output" in step_type.properties) == gives_pictures
    if gives_pictures:
        output = validator(step_type.properties["output"])
        assert all(output.is_valid(name) for name in ("jpg", "png", "webp", None))
        assert not any(output.is_valid(name) for name in ("JPG", "jpeg", "gif", "", 1, True))


@every_type
def test_only_what_can_be_cut_into_tiles_takes_tiles(step_type: StepType) -> None:
    assert step_type.has_tiles == (step_type.name in {"sobel", "blur", "deblur"})
    if step_type.has_tiles:
        tiles = validator(step_type.properties["tiles"])
        assert all(tiles.is_valid(count) for count in (1, MAX_TILES))
        assert not any(tiles.is_valid(count) for count in (0, -1, MAX_TILES + 1, 1.5, "2", True))


@pytest.mark.parametrize("size", [*SIZES, *SIZES_IN_NUMBERS])
def test_this_is_a_size(size: object) -> None:
    assert size_is_valid(size)


@pytest.mark.parametrize(
    "size", [*NO_SIZES, *NO_SIZES_IN_NUMBERS, None, True, False, [], {}, [200]]
)
def test_this_is_no_size(size: object) -> None:
    assert not size_is_valid(size)


def test_a_side_has_every_length_from_one_pixel_to_the_longest() -> None:
    for side in range(1, MAX_SIDE + 1):
        assert size_is_valid(f"{side}x{side}")
    for side in (*range(MAX_SIDE + 1, MAX_SIDE + 200), 30_000, 200_000, 1_000_000):
        assert not size_is_valid(f"{side}x{side}")


@pytest.mark.parametrize("method", ["lanczos", "bicubic", "model.onnx", "/models/esrgan.xml"])
def test_a_pipeline_may_name_a_method_or_a_model_to_enlarge_with(method: str) -> None:
    assert validator(STEP_TYPES["upscaling"].params).is_valid({"method": method})


@pytest.mark.parametrize("method", ["", "nearest", ".onnx", "model.pth", "lanczos\n", "m.onnx\n"])
def test_this_is_nothing_to_enlarge_with(method: str) -> None:
    assert not validator(STEP_TYPES["upscaling"].params).is_valid({"method": method})


@pytest.mark.parametrize("method", ["model.onnx", "/etc/passwd.xml", "../m.onnx"])
def test_a_request_may_not_name_a_file_to_enlarge_with(method: str) -> None:
    schema = validator(STEP_TYPES["upscaling"].request_params)
    assert not schema.is_valid({"method": method})
    assert schema.is_valid({"method": "bicubic"})


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("grayscale", {"threads": [1, 2, 4]}),
        ("grayscale", {"threads": 32, "passes": 10, "repeats": 100}),
        ("sobel", {"ksize": 7}),
        ("blur", {"method": "median", "ksize": 31}),
        ("deblur", {"sigma": 0.3, "iterations": 100}),
        ("split", {"rows": 32, "cols": 1}),
        ("operations", {"operations": [["sobel", {}], ["blur", {"ksize": 3}]]}),
    ],
)
def test_these_params_are_taken(name: str, params: dict[str, Any]) -> None:
    assert validator(STEP_TYPES[name].params).is_valid(params)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("grayscale", {"threads": []}),
        ("grayscale", {"threads": [1, 33]}),
        ("grayscale", {"threads": [1] * 17}),
        ("grayscale", {"threads": 0}),
        ("grayscale", {"passes": 11}),
        ("sobel", {"ksize": 9}),
        ("sobel", {"ksize": 4}),
        ("sobel", {"ksize": True}),
        ("blur", {"ksize": 0}),
        ("blur", {"ksize": 33}),
        ("blur", {"ksize": "5"}),
        ("blur", {"method": "box"}),
        ("deblur", {"sigma": 0}),
        ("deblur", {"sigma": 1e400}),
        ("upscaling", {"scale": 9}),
        ("upscaling", {"scale": 1.5}),
        ("split", {"rows": 33}),
        ("split", {"rows": 0}),
        ("operations", {"operations": [["sobel"]]}),
        ("operations", {"operations": [["sobel", None]]}),
        ("operations", {"operations": [["sobel", {}, {}]]}),
        ("operations", {"operations": [[1, {}]]}),
        ("operations", {"operations": ["sobel"]}),
        ("operations", {"operations": [["sobel", {}]] * 33}),
        ("operations", {"operations": {}}),
    ],
)
def test_these_params_are_refused(name: str, params: dict[str, Any]) -> None:
    assert not validator(STEP_TYPES[name].params).is_valid(params)
