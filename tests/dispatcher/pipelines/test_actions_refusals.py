"""How actions that cannot be are refused: with the field and what is allowed there."""

import json
import random
from typing import Any

import pytest

from dispatcher.errors import InvalidParamsError
from dispatcher.pipelines.actions import MAX_OPERATIONS, parse_actions


def refusal(document: object) -> str:
    return refusal_of_text(json.dumps(document))


def refusal_of_text(text: str) -> str:
    with pytest.raises(InvalidParamsError) as refused:
        parse_actions(text)
    return refused.value.detail


def count_operations(*operations: object) -> int:
    (actions,) = parse_actions(json.dumps({"operations": operations}))
    return len(actions.operations)


@pytest.mark.parametrize(
    ("operation", "detail"),
    [
        (["resize"], "[0] (resize): size is missing; text like 200x300"),
        (["resize", True], "[0] (resize): size is missing"),
        (["resize", 0], "[0] (resize): size must be text like 200x300, 50%"),
        (["resize", 100_000], "or a whole number from 1 to 20000"),
        (["resize", "0x0"], "[0] (resize): size must be"),
        (["resize", "0%"], "[0] (resize): size must be"),
        (["resize", "200x100000"], "[0] (resize): size must be"),
        (["resize", "-5x5"], "[0] (resize): size must be"),
        (["resize", "1e3x5"], "[0] (resize): size must be"),
        (["resize", 1.5], "[0] (resize): size must be"),
        (["resize", {"size": True}], "[0] (resize): size must be"),
        (["resize", {"size": 5, "interpolation": "no"}], "interpolation must be one of auto, near"),
        (["blur", "box"], "(blur): method must be one of gaussian, updownsampling, bilateral, med"),
        (["blur", {"ksize": 4}], "[0] (blur): ksize must be one of 1, 3, 5"),
        (["blur", {"tiles": 0}], "[0] (blur): tiles must be a whole number from 1 to 64."),
        (["blur", {"output": "exe"}], "[0] (blur): output must be one of jpg, png, webp, null."),
        (["deblur", {"sigma": 0}], "[0] (deblur): sigma must be a number from 0.3 to 10."),
        (["deblur", {"sigma": True}], "[0] (deblur): sigma must be a number from 0.3 to 10."),
        (["grayscale", 0], "threads must be a whole number from 1 to 32 or a list of 1 to 16"),
        (["grayscale", [1, 99]], "entries, each a whole number from 1 to 32."),
        (["grayscale", []], "[0] (grayscale): threads must be"),
        (["upscaling", 9], "[0] (upscaling): scale must be a whole number from 1 to 8."),
        (["upscaling", {"method": "/etc/model.onnx"}], "method must be one of lanczos, bicubic."),
        (["split", 4], "[0] (split): takes true, or an object of rows, cols, output."),
        (["split", {"rows": 0}], "[0] (split): rows must be a whole number from 1 to 32."),
        (["blur", False], "[0] (blur): leave the operation out instead of switching it off."),
        (
            ["blur", {"radius": 3}],
            "[0] (blur): unknown param; known: method, ksize, tiles, output.",
        ),
        (["classifier", 0], "[0] (classifier): top_k must be a whole number from 1 to 1000."),
        (["classifier", {"model": "x", "runtime": "y"}], "(classifier): model, runtime is fixed."),
        (["rotate", 90], "[0]: unknown operation; known: blur, classifier, deblur, grayscale, res"),
        (["operations", True], "[0]: unknown operation"),
        (["Blur"], "[0]: unknown operation"),
        ([["blur"]], "[0]: unknown operation"),
        ([{}], "[0]: unknown operation"),
        ([None, True], "[0]: unknown operation"),
        ([], "[0]: must be [type], [type, value] or"),
        (["blur", "median", 5], "[0]: must be [type], [type, value] or"),
        ("blur", "[0]: must be [type], [type, value] or"),
        (7, "[0]: must be [type], [type, value] or"),
        ({}, "[0]: must be [type], [type, value] or"),
        ({"type": "blur", "ksize": 5}, "[0]: must be [type], [type, value] or"),
        ({"params": {}}, "[0]: must be [type], [type, value] or"),
    ],
)
def test_an_operation_that_cannot_be_is_named_with_what_is_allowed(
    operation: object, detail: str
) -> None:
    told = refusal({"operations": [operation]})
    assert told.startswith("actions.operations[0]")
    assert detail in told


@pytest.mark.parametrize("number", range(3))
def test_the_place_of_the_bad_operation_is_told(number: int) -> None:
    operations: list[object] = [["blur"]] * 3
    operations[number] = ["resize", 0]
    assert refusal({"operations": operations}).startswith(f"actions.operations[{number}] (resize)")


def test_a_classifier_stands_at_the_end_only() -> None:
    detail = refusal({"operations": [["blur"], ["classifier"], ["blur"]]})
    assert detail == (
        "actions.operations[1] (classifier): gives no picture, so it can only be the last "
        "operation."
    )


def test_more_pieces_than_a_picture_may_have_are_refused() -> None:
    largest = ["split", {"rows": 32, "cols": 32}]
    assert count_operations(largest) == 1
    detail = refusal({"operations": [largest, ["blur"], ["split", {"rows": 1}]]})
    assert detail.startswith("actions.operations[2] (split): makes 2048 pieces of a picture;")


@pytest.mark.parametrize("operations", [[], [["blur"]] * (MAX_OPERATIONS + 1), {}, "blur", None, 1])
def test_there_are_one_to_thirty_two_operations(operations: object) -> None:
    detail = refusal({"operations": operations})
    assert detail == "actions.operations: must be a list of 1 to 32 operations."
    assert count_operations(*[["blur"]] * MAX_OPERATIONS) == MAX_OPERATIONS


@pytest.mark.parametrize("document", [None, 1, "blur", True, [1], [[["blur"]]], ["blur"]])
def test_actions_are_an_object(document: object) -> None:
    assert "must be an object like" in refusal(document)


@pytest.mark.parametrize("key", ["outputs", "__proto__", "Operations", ""])
def test_an_unknown_key_is_refused(key: str) -> None:
    detail = refusal({"operations": [["blur"]], key: 1})
    assert detail == "actions: has an unknown key; known: operations, output."


# Row C48


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "blur",
        "'{}'",
        "\ufeff{}",
        '{"operations": [["blur"]]} x',
        '{"operations": [["blur", {"ksize": NaN}]]}',
        '{"operations": [["blur", {"ksize": Infinity}]]}',
        '{"operations": [["blur", {"ksize": 1e400}]]}',
        '{"operations": [["blur", {"ksize": ' + "9" * 5000 + "}]]}",
        '{"operations": [["blur"]], "operations": [["sobel"]]}',
        '{"operations": [["blur", {"ksize": 3, "ksize": 5}]]}',
    ],
    ids=lambda text: ascii(text[-40:]),
)
def test_what_is_no_strict_json_is_refused(text: str) -> None:
    assert refusal_of_text(text) == "actions is not valid JSON."


@pytest.mark.parametrize("text", ["[" * 30_000, '{"a":' * 10_000, '{"operations": ' + "[" * 9_999])
def test_ten_thousand_levels_are_refused(text: str) -> None:
    assert refusal_of_text(text) in ("actions is nested too deeply.", "actions is not valid JSON.")


def test_twenty_one_levels_are_refused() -> None:
    assert refusal_of_text("[" * 25 + "]" * 25) == "actions is nested too deeply."


def test_a_whole_number_of_any_length_is_only_too_large() -> None:
    detail = refusal_of_text('{"operations": [["upscaling", ' + "9" * 4000 + "]]}")
    assert detail == (
        "actions.operations[0] (upscaling): scale must be a whole number from 1 to 8."
    )


# Fuzz


@pytest.mark.parametrize("seed", range(4))
def test_only_refusals_escape_and_never_with_what_was_sent(seed: int) -> None:
    dice = random.Random(seed)
    poison = "<script>\ud800\x00"
    values: list[Any] = [poison, -1, 0, 1.5, True, False, None, [], {}, [poison], {poison: poison}]
    refused = 0
    for _ in range(400):
        document: Any = {"operations": [["resize", "50%"], ["blur", {"ksize": 3}]], "output": "png"}
        place = dice.choice(["whole", "operations", "output", "entry", "value", "param", "key"])
        value = dice.choice(values)
        if place == "whole":
            document = value
        elif place in ("operations", "output"):
            document[place] = value
        elif place == "entry":
            document["operations"][dice.randrange(2)] = value
        elif place == "value":
            document["operations"][dice.randrange(2)][dice.randrange(2)] = value
        elif place == "param":
            document["operations"][1][1][dice.choice(["ksize", "method", "tiles"])] = value
        else:
            document[poison] = value
        try:
            parse_actions(json.dumps(document))
        except InvalidParamsError as exc:
            refused += 1
            assert "script" not in exc.detail
            assert exc.detail.isprintable()
    assert 100 < refused < 400
