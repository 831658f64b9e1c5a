import json
import random

import pytest

from dispatcher.errors import InvalidParamsError
from dispatcher.pipelines.overrides import parse_overrides
from step_app.contract.step_types import STEP_TYPES
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
