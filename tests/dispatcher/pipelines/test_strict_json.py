import pytest

from dispatcher.pipelines.strict_json import NestedTooDeeplyError, load_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        ('{"a": [1, 2.5, "x", null, true]}', {"a": [1, 2.5, "x", None, True]}),
        ("3.0", 3),
        ("30e-1", 3),
        ("1e9", 10**9),
    ],
)
def test_json_is_read(text: str, value: object) -> None:
    document = load_json(text, max_depth=3)
    assert document == value
    assert type(document) is type(value)


@pytest.mark.parametrize(
    "text",
    ["", "{", "{'a': 1}", '{"a": 1, "a": 1}', "NaN", "-Infinity", "1e400", "9" * 5_000, "\ufeff{}"],
    ids=lambda text: ascii(text[:16]),
)
def test_what_has_no_meaning_or_two_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        load_json(text, max_depth=3)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depth_is_bounded_and_never_a_crash(opening: str) -> None:
    closing = "]" if opening == "[" else "}"

    def nested(depth: int) -> str:
        return opening * depth + "1" + closing * depth

    load_json(nested(3), max_depth=4)
    for depth in (4, 500, 100_000):
        with pytest.raises(NestedTooDeeplyError):
            load_json(nested(depth), max_depth=4)
