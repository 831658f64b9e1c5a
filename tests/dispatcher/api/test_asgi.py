import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from dispatcher.api.asgi import parse_flag, parse_seconds, parse_tiles, read_query, send_json
from dispatcher.errors import DuplicateFieldError, InvalidValueError, UnknownFieldError
from step_app.contract.tiles import MAX_TILES

ALLOWED = frozenset({"cache", "params", "wait"})


def query(raw: bytes) -> dict[str, str]:
    return read_query({"query_string": raw}, allowed=ALLOWED)


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b"", {}),
        (b"cache=true", {"cache": "true"}),
        (b"cache=true&wait=5", {"cache": "true", "wait": "5"}),
        (b"cache=", {"cache": ""}),
        (b"params=%7B%22a%22%3A+1%7D", {"params": '{"a": 1}'}),
        (b"params=gr%C3%B6%C3%9Fe", {"params": "größe"}),
        (b"cache=a=b", {"cache": "a=b"}),
        (b"&&cache=true&&", {"cache": "true"}),
    ],
)
def test_a_query_is_read(raw: bytes, fields: dict[str, str]) -> None:
    assert query(raw) == fields


@pytest.mark.parametrize("raw", [b"more=1", b"Cache=true", b"cache[]=1", b"__proto__=1", b"%00=1"])
def test_an_unknown_field_is_refused_and_not_repeated(raw: bytes) -> None:
    with pytest.raises(UnknownFieldError) as refused:
        query(raw)
    assert "cache, params, wait" in refused.value.detail
    assert "proto" not in refused.value.detail


@pytest.mark.parametrize("raw", [b"cache=a&cache=b", b"cache=a&cache=a", b"cache=&cache="])
def test_neither_of_two_values_wins(raw: bytes) -> None:
    with pytest.raises(DuplicateFieldError):
        query(raw)


@pytest.mark.parametrize("raw", [b"params=%FF", b"params=\xff", b"&".join([b"cache=1"] * 1000)])
def test_a_query_that_cannot_be_parsed_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidValueError):
        query(raw)


@pytest.mark.parametrize(("text", "seconds"), [("0", 0.0), ("60", 60.0), ("0.5", 0.5), ("1e1", 10)])
def test_seconds_have_inclusive_bounds(text: str, seconds: float) -> None:
    assert parse_seconds(text, name="wait", maximum=60) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "60.01", "-0.01", "-1", "nan", "inf", "-inf", "1e400", "ten", "0x1", "1,5"]
)
def test_what_is_no_number_of_seconds_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="wait is a number of seconds from 0 to 60"):
        parse_seconds(text, name="wait", maximum=60)


def test_a_flag_is_true_or_false_and_nothing_else() -> None:
    assert parse_flag("true", name="cache") is True
    assert parse_flag("false", name="cache") is False
    for text in ("", "1", "0", "yes", "True", "FALSE", " true"):
        with pytest.raises(InvalidValueError, match="cache is true or false"):
            parse_flag(text, name="cache")


@pytest.mark.parametrize(
    ("text", "tiles"), [("1", 1), ("4", 4), (str(MAX_TILES), MAX_TILES), ("01", 1)]
)
def test_tiles_have_inclusive_bounds(text: str, tiles: int) -> None:
    assert parse_tiles(text) == tiles


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "-1",
        "+1",
        "1.0",
        "1e1",
        "four",
        "٣",
        "²",
        "1 ",
        str(MAX_TILES + 1),
        "9" * 5000,
    ],
)
def test_what_is_no_number_of_chunks_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match=f"tiles is a whole number from 1 to {MAX_TILES}"):
        parse_tiles(text)


async def test_an_answer_is_json_of_known_length_that_nobody_keeps() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await send_json(send, 202, {"name": "größe"}, headers=[(b"retry-after", b"1")])
    start, body = sent
    headers = dict(start["headers"])
    assert start["status"] == 202
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"content-length"] == str(len(body["body"])).encode()
    assert (headers[b"cache-control"], headers[b"retry-after"]) == (b"no-store", b"1")
    assert json.loads(body["body"]) == {"name": "größe"}


async def test_no_answer_holds_what_is_no_json() -> None:
    async def send(_: MutableMapping[str, Any]) -> None:
        raise AssertionError("nothing is sent")

    with pytest.raises(ValueError, match="JSON"):
        await send_json(send, 200, {"score": float("nan")})
