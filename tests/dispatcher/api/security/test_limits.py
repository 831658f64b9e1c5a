"""S11 to S15, S27: what one client may use up, and what is no image."""

import tempfile
from pathlib import Path

import pytest

from step_app.contract.limits import MAX_IMAGE_BYTES
from tests.dispatcher.api.raw_http import IMAGE, WITHIN_S, connect, exchange, request, submission
from tests.dispatcher.api.serving import Served, bearer, serving, write_keys
from tests.dispatcher.forms import CONTENT_TYPE, Part, form, text
from tests.dispatcher.images import png

FORM = f"Content-Type: {CONTENT_TYPE.decode()}"


def authorized(name: str) -> str:
    return f"Authorization: {bearer(name)}"


def image(number: int) -> bytes:
    return png(tail=b"image %d" % number)


async def test_s12_a_key_over_its_rate_is_told_when_to_come_back(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.json")
    async with (
        serving(tmp_path, "--rate-limit-per-s", "0.5", keys=keys) as served,
        connect(served.port) as wire,
    ):
        wire.send(submission(authorized("alice")))
        assert (await wire.answer()).status == 202
        wire.send(submission(authorized("alice")))
        answer = await wire.answer()
        assert (answer.status, answer.code) == (429, "rate_limited")
        assert answer.headers["retry-after"] == "2"
        assert answer.headers["cache-control"] == "no-store"


async def test_s12_a_key_at_many_times_its_rate_hurts_no_other(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.json", "alice", "bob", alice=2.0, bob=50.0)
    async with serving(tmp_path, keys=keys) as served, connect(served.port) as wire:
        statuses: dict[str, list[int]] = {"alice": [], "bob": []}
        for number in range(60):
            name = "bob" if number % 6 == 0 else "alice"
            wire.send(submission(authorized(name), body=image(number)))
            statuses[name].append((await wire.answer()).status)
        assert statuses["bob"] == [202] * 10
        assert statuses["alice"].count(429) >= 40


async def test_s12_one_owner_holds_no_more_than_half_of_the_queue(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.json", "alice", "bob")
    async with (
        serving(tmp_path, "--queue-capacity", "8", keys=keys) as served,
        connect(served.port) as wire,
    ):
        statuses = []
        for number in range(6):
            wire.send(submission(authorized("alice"), body=image(number)))
            answer = await wire.answer()
            statuses.append(answer.status)
        assert statuses == [202] * 4 + [429] * 2
        assert answer.code == "rate_limited"
        assert 1 <= int(answer.headers["retry-after"]) <= 30
        for number in range(4):
            wire.send(submission(authorized("bob"), body=image(number)))
            assert (await wire.answer()).status == 202


async def test_s12_one_owner_alone_may_fill_the_queue(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.json", "alice")
    async with (
        serving(tmp_path, "--queue-capacity", "4", keys=keys) as served,
        connect(served.port) as wire,
    ):
        statuses = []
        for number in range(5):
            wire.send(submission(authorized("alice"), body=image(number)))
            statuses.append((await wire.answer()).status)
        assert statuses == [202] * 4 + [503]


async def test_s11_s13_an_image_of_the_largest_size_is_taken(open_service: Served) -> None:
    largest = png(tail=b"x" * (MAX_IMAGE_BYTES - len(png(tail=b""))))
    assert len(largest) == MAX_IMAGE_BYTES
    answer = await exchange(open_service.port, submission(body=largest))
    assert answer.status == 202


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_s11_s13_a_byte_more_is_refused_with_and_without_a_length(
    open_service: Served, is_chunked: bool
) -> None:
    body = b"x" * (MAX_IMAGE_BYTES + 1)
    sent = submission(body=body)
    if is_chunked:
        head = request("POST", "/predict_async", "Content-Type: image/png", CHUNKED)
        sent = head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    answer = await exchange(open_service.port, sent)
    assert (answer.status, answer.code) == (413, "payload_too_large")
    assert open_service.is_untouched()


async def test_s13_a_form_is_refused_by_its_length_before_it_is_parsed(
    open_service: Served,
) -> None:
    head = request("POST", "/predict_async", FORM, f"Content-Length: {MAX_IMAGE_BYTES * 2}")
    async with connect(open_service.port) as wire:
        wire.send(head)
        answer = await wire.answer(within_s=WITHIN_S)
        assert (answer.status, answer.code) == (413, "payload_too_large")


async def test_s14_no_upload_goes_to_a_temporary_file(
    open_service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file was asked for")

    for name in ("mkstemp", "TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile"):
        monkeypatch.setattr(tempfile, name, refuse)
    part = Part(filename="large.png", data=png(tail=b"x" * 3_000_000))
    sent = request("POST", "/predict_async", FORM, body=form(part))
    assert (await exchange(open_service.port, sent)).status == 202


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("image/jpeg", IMAGE, 202),
        ("application/octet-stream", IMAGE, 202),
        ("image/png", b"<svg onload=alert(1)>", 415),
        ("image/png", b"%PDF-1.7", 415),
        ("text/html", IMAGE, 415),
    ],
)
async def test_s15_only_the_content_says_what_an_image_is(
    open_service: Served, content_type: str, body: bytes, status: int
) -> None:
    head = request("POST", "/predict_async", f"Content-Type: {content_type}", body=body)
    assert (await exchange(open_service.port, head)).status == status


async def test_s27_no_image_is_fetched_from_an_address(open_service: Served) -> None:
    address = "http://169.254.169.254/latest/meta-data"
    as_text = request("POST", "/predict_async", FORM, body=form(text("image", address)))
    answer = await exchange(open_service.port, as_text)
    assert (answer.status, answer.code) == (422, "wrong_field_kind")
    answer = await exchange(open_service.port, submission(body=address.encode()))
    assert (answer.status, answer.code) == (415, "unsupported_image_type")
    assert open_service.is_untouched()


CHUNKED = "Transfer-Encoding: chunked"
