import json
import random

import pytest

from dispatcher.errors import InvalidParamsError
from dispatcher.pipelines.model import Pipeline
from dispatcher.pipelines.overrides import parse_overrides, with_tiles
from step_app.contract.step_types import STEP_TYPES
from step_app.contract.tiles import MAX_TILES
from tests.dispatcher.records import make_pipeline, make_stage

PIPELINE = make_pipeline()


@pytest.mark.parametrize("text", [None, "", "{}"])
def test_no_params_are_no_overrides(text: str | None) -> None:
    assert parse_overrides(text, PIPELINE) == {}


@pytest.mark.parametrize("name", ["0", "classifier"])
def test_a_step_is_named_by_its_id_or_its_type(name: str) -> None:
    assert parse_overrides(json.dumps({name: {"top_k": 3}}), PIPELINE) == {"0": {"top_k": 3}}


def test_a_type_means_every_step_of_that_type() -> None:
    pipeline = make_pipeline(make_stage("first"), make_stage("second"))
    overrides = parse_overrides('{"classifier": {"top_k": 3}}', pipeline)
    assert overrides == {"first": {"top_k": 3}, "second": {"top_k": 3}}


def test_an_id_means_one_step() -> None:
    pipeline = make_pipeline(make_stage("first"), make_stage("second"))
    assert parse_overrides('{"second": {"top_k": 3}}', pipeline) == {"second": {"top_k": 3}}


@pytest.mark.parametrize("top_k", [1, 1000])
def test_bounds_of_a_param_are_inclusive(top_k: int) -> None:
    text = json.dumps({"classifier": {"top_k": top_k}})
    assert parse_overrides(text, PIPELINE) == {"0": {"top_k": top_k}}


@pytest.mark.parametrize("number", ["3", "3.0", "30e-1", "0.3e1"])
def test_numbers_of_equal_value_are_equal(number: str) -> None:
    overrides = parse_overrides(f'{{"classifier": {{"top_k": {number}}}}}', PIPELINE)
    assert json.dumps(overrides) == '{"0": {"top_k": 3}}'


DEEP = '{"classifier":' * 10_000 + "{}" + "}" * 10_000
DEEP_LIST = '{"classifier": {"top_k": ' + "[" * 10_000 + "]" * 10_000 + "}}"
WIDE = json.dumps({"classifier": {f"key-{n}": n for n in range(5_000)}})


@pytest.mark.parametrize(
    "text",
    [
        "top_k=3",
        '{"classifier": {"top_k": 3}',
        "[]",
        '"classifier"',
        "null",
        "3",
        '{"classifier": 3}',
        '{"classifier": null}',
        '{"classifier": [["top_k", 3]]}',
        '{"classifier": {"top_k": 0}}',
        '{"classifier": {"top_k": 1001}}',
        '{"classifier": {"top_k": -1}}',
        '{"classifier": {"top_k": "3"}}',
        '{"classifier": {"top_k": 3.5}}',
        '{"classifier": {"top_k": true}}',
        '{"classifier": {"top_k": null}}',
        '{"classifier": {"top_k": {}}}',
        '{"classifier": {"top_k": NaN}}',
        '{"classifier": {"top_k": Infinity}}',
        '{"classifier": {"top_k": 1e400}}',
        '{"classifier": {"top_k": -1e400}}',
        '{"classifier": {"top_k": 1e300}}',
        '{"classifier": {"top_k": ' + "9" * 5_000 + "}}",
        '{"classifier": {"top_k": ' + "9" * 4_000 + "}}",
        '{"classifier": {"top_k": 3, "top_k": 4}}',
        '{"classifier": {"top_k": 3}, "classifier": {"top_k": 3}}',
        '{"classifier": {"colour": "red"}}',
        '{"classifier": {"__proto__": {}}}',
        '{"__proto__": {}}',
        '{"__class__": {"top_k": 3}}',
        '{"upscaling": {"scale": 2}}',
        '{"1": {"top_k": 3}}',
        '{"": {"top_k": 3}}',
        '\ufeff{"classifier": {"top_k": 3}}',
        '{"classifier": {"\ud800": 3}}',
        DEEP,
        DEEP_LIST,
        WIDE,
    ],
    ids=lambda text: text[:44].encode("ascii", "backslashreplace").decode(),
)
def test_what_no_step_takes_is_refused(text: str) -> None:
    with pytest.raises(InvalidParamsError) as refusal:
        parse_overrides(text, PIPELINE)
    assert len(refusal.value.detail) < 300


@pytest.mark.parametrize("name", sorted(STEP_TYPES["classifier"].fixed))
def test_a_param_that_chooses_what_a_replica_has_loaded_is_fixed(name: str) -> None:
    with pytest.raises(InvalidParamsError, match=f"classifier.{name} is fixed"):
        parse_overrides(json.dumps({"classifier": {name: "auto"}}), PIPELINE)


def test_a_refusal_says_what_is_allowed_and_not_what_was_sent() -> None:
    with pytest.raises(InvalidParamsError) as refusal:
        parse_overrides('{"classifier": {"top_k": 5555}}', PIPELINE)
    assert "classifier.top_k" in refusal.value.detail
    assert '"maximum": 1000' in refusal.value.detail
    assert "5555" not in refusal.value.detail
    with pytest.raises(InvalidParamsError) as refusal:
        parse_overrides('{"classifier": {"<script>": 1}}', PIPELINE)
    assert '"params": ["top_k"]' in refusal.value.detail
    assert "script" not in refusal.value.detail


def test_only_invalid_params_escape_from_a_thousand_damaged_texts() -> None:
    dice = random.Random(1)
    seed = '{"classifier": {"top_k": 3}, "0": {"top_k": 1e1}}'
    for _ in range(1000):
        text = list(seed)
        for _ in range(dice.randint(1, 4)):
            where = dice.randrange(len(text))
            text[where] = dice.choice(['"', "{", "}", "[", "1e999", "\\", "\x00", "9" * 5000, ""])
        try:
            overrides = parse_overrides("".join(text), PIPELINE)
        except InvalidParamsError:
            continue
        assert overrides.keys() <= {"0"}
        for params in overrides.values():
            assert params.keys() <= {"top_k"}
            assert type(params.get("top_k", 1)) is int


# Params of image steps


def image_pipeline(step_type: str, **params: object) -> Pipeline:
    return make_pipeline(make_stage(step_type=step_type, params=params))


@pytest.mark.parametrize(
    ("step_type", "params"),
    [
        ("upscaling", {"scale": 4}),
        ("upscaling", {"method": "bicubic"}),
        ("blur", {"method": "median", "ksize": 7, "output": "webp"}),
        ("resize", {"size": "200x300"}),
        ("resize", {"interpolation": "area"}),
        ("sobel", {"tiles": 4}),
        ("grayscale", {"threads": [1, 2]}),
        ("split", {"rows": 3, "output": None}),
    ],
)
def test_every_param_of_an_image_step_may_be_overridden_alone(
    step_type: str, params: dict[str, object]
) -> None:
    text = json.dumps({step_type: params})
    assert parse_overrides(text, image_pipeline(step_type)) == {"0": params}


@pytest.mark.parametrize(
    ("step_type", "params"),
    [
        ("upscaling", {"method": "/etc/passwd.onnx"}),
        ("upscaling", {"method": "model.xml"}),
        ("upscaling", {"scale": 9}),
        ("blur", {"ksize": 4}),
        ("resize", {"size": "0x1"}),
        ("resize", {"size": None}),
        ("sobel", {"tiles": 0}),
        ("sobel", {"tiles": MAX_TILES + 1}),
        ("split", {"tiles": 2}),
        ("grayscale", {"tiles": 2}),
        ("blur", {"output": "gif"}),
    ],
)
def test_what_an_image_step_does_not_take_of_a_job_is_refused(
    step_type: str, params: dict[str, object]
) -> None:
    with pytest.raises(InvalidParamsError):
        parse_overrides(json.dumps({step_type: params}), image_pipeline(step_type))


def test_a_pipeline_may_name_a_model_file_that_a_job_may_not() -> None:
    pipeline = image_pipeline("upscaling", method="model.onnx")
    assert parse_overrides('{"upscaling": {"scale": 2}}', pipeline) == {"0": {"scale": 2}}


# Tiles for every step that can


ABLE = ("blur", "deblur", "sobel")


def test_every_step_that_can_is_cut() -> None:
    names = ("resize", *ABLE, "grayscale")
    pipeline = make_pipeline(*(make_stage(name, step_type=name) for name in names))
    assert with_tiles({}, pipeline, 4) == {name: {"tiles": 4} for name in ABLE}


def test_a_step_that_names_its_own_number_of_chunks_keeps_it() -> None:
    pipeline = make_pipeline(*(make_stage(name, step_type=name) for name in ABLE))
    overrides = {"blur": {"tiles": 2, "ksize": 7}, "sobel": {"ksize": 5}}
    assert with_tiles(overrides, pipeline, 8) == {
        "blur": {"tiles": 2, "ksize": 7},
        "deblur": {"tiles": 8},
        "sobel": {"ksize": 5, "tiles": 8},
    }
    assert overrides == {"blur": {"tiles": 2, "ksize": 7}, "sobel": {"ksize": 5}}, "as it was"


@pytest.mark.parametrize("step_type", sorted(STEP_TYPES.keys() - set(ABLE)))
def test_when_no_step_can_be_cut_that_is_refused(step_type: str) -> None:
    with pytest.raises(InvalidParamsError, match="blur, deblur, sobel can"):
        with_tiles({}, image_pipeline(step_type), 2)


@pytest.mark.parametrize("tiles", [1, MAX_TILES])
def test_bounds_of_tiles_are_inclusive(tiles: int) -> None:
    assert with_tiles({}, image_pipeline("blur"), tiles) == {"0": {"tiles": tiles}}


@pytest.mark.parametrize("tiles", [0, -1, MAX_TILES + 1])
def test_tiles_beyond_the_bounds_are_refused(tiles: int) -> None:
    with pytest.raises(InvalidParamsError, match=f"1 to {MAX_TILES}"):
        with_tiles({}, image_pipeline("blur"), tiles)
