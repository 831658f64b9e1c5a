import asyncio
import hashlib
import random
import unicodedata

import pytest

from dispatcher.errors import (
    IncompleteBodyError,
    MalformedMultipartError,
    PayloadTooLargeError,
    RequestError,
    UnsupportedEncodingError,
    UnsupportedMediaTypeError,
)
from dispatcher.intake.multipart import MAX_FORM_OVERHEAD_BYTES
from dispatcher.intake.upload import Upload, body_chunks, clean_filename, read_upload
from step_app.contract.limits import MAX_IMAGE_BYTES
from tests.dispatcher.forms import CONTENT_TYPE, IMAGE, Body, Part, collect, form, in_pieces, text
from tests.dispatcher.images import png

RAW = {b"content-type": b"image/png"}
FORM = {b"content-type": CONTENT_TYPE}


async def test_a_raw_image_is_read_chunk_by_chunk() -> None:
    image = png(tail=bytes(1000))
    upload = await read_upload(
        RAW | {b"x-filename": b"koala.png"}, Body(*in_pieces(image, 100)).receive
    )
    assert upload.image() == image
    assert upload.digest == hashlib.sha256(image).hexdigest()
    assert (upload.filename, upload.fields) == ("koala.png", {})


async def test_the_same_image_has_one_digest_however_it_is_sent() -> None:
    raw = await read_upload(RAW, Body(IMAGE.data).receive)
    in_form = await read_upload(FORM, Body(*in_pieces(form(IMAGE), 11)).receive)
    assert raw.digest == in_form.digest
    assert raw.image() == in_form.image() == IMAGE.data


async def test_a_form_brings_its_fields() -> None:
    body = form(text("pipeline", "fast"), IMAGE, text("cache", "false"))
    upload = await read_upload(FORM, Body(body).receive)
    assert upload.fields == {"pipeline": "fast", "cache": "false"}
    assert upload.filename == "koala.png"


async def test_empty_chunks_change_nothing() -> None:
    upload = await read_upload(RAW, Body(b"", b"ab", b"", b"c", b"").receive)
    assert upload.image() == b"abc"


async def test_an_empty_body_is_an_empty_image() -> None:
    assert (await read_upload(RAW, Body(b"").receive)).image() == b""


@pytest.mark.parametrize(
    "content_type",
    [b"image/png", b"image/jpeg", b"IMAGE/PNG", b"image/png; q=1", b"application/octet-stream"],
)
async def test_the_bytes_decide_and_not_the_kind_of_image_that_is_announced(
    content_type: bytes,
) -> None:
    upload = await read_upload({b"content-type": content_type}, Body(b"abc").receive)
    assert upload.image() == b"abc"


@pytest.mark.parametrize("content_type", [b"Multipart/Form-Data", b" multipart/form-data "])
async def test_the_media_type_of_a_form_is_read_as_http_says(content_type: bytes) -> None:
    headers = {b"content-type": content_type + b"; boundary=frontier"}
    assert (await read_upload(headers, Body(form(IMAGE)).receive)).image() == IMAGE.data


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        b"",
        b"application/json",
        b"application/x-www-form-urlencoded",
        b"text/html",
        b"multipart/mixed; boundary=frontier",
        b"multipart/form-data-not",
        b"images/png",
        b"\xff\xfe",
    ],
)
async def test_a_body_of_another_media_type_is_not_even_read(content_type: bytes | None) -> None:
    body = Body(b"a=b&" * 1000)
    headers = {} if content_type is None else {b"content-type": content_type}
    with pytest.raises(UnsupportedMediaTypeError):
        await read_upload(headers, body.receive)
    assert body.received == 0


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"identity, gzip", b""])
async def test_a_compressed_body_is_not_even_read(encoding: bytes) -> None:
    body = Body(b"abc")
    with pytest.raises(UnsupportedEncodingError):
        await read_upload(RAW | {b"content-encoding": encoding}, body.receive)
    assert body.received == 0


async def test_a_form_without_a_boundary_is_not_even_read() -> None:
    body = Body(form(IMAGE))
    with pytest.raises(MalformedMultipartError):
        await read_upload({b"content-type": b"multipart/form-data"}, body.receive)
    assert body.received == 0


# How many bytes are taken


async def test_a_raw_image_of_exactly_the_limit_is_taken() -> None:
    upload = await read_upload(RAW, Body(bytes(MAX_IMAGE_BYTES)).receive)
    assert len(upload.image()) == MAX_IMAGE_BYTES


async def test_an_image_in_a_form_of_exactly_the_limit_is_taken() -> None:
    largest = Part(filename="a.png", data=bytes(MAX_IMAGE_BYTES))
    parts = [text(name, "x" * 65_536) for name in ("pipeline", "params", "cache", "timeout_s")]
    upload = await read_upload(FORM, Body(form(*parts, largest)).receive)
    assert len(upload.image()) == MAX_IMAGE_BYTES


@pytest.mark.parametrize("announced", [False, True])
async def test_one_byte_more_than_the_limit_is_refused(announced: bool) -> None:
    body = Body(bytes(MAX_IMAGE_BYTES), b"x")
    headers = {b"content-length": str(MAX_IMAGE_BYTES + 1).encode()} if announced else {}
    with pytest.raises(PayloadTooLargeError):
        await read_upload(RAW | headers, body.receive)
    assert body.received == (0 if announced else 2)


async def test_one_byte_more_in_a_form_is_refused_when_it_comes() -> None:
    larger = Part(filename="a.png", data=bytes(MAX_IMAGE_BYTES + 1))
    with pytest.raises(PayloadTooLargeError):
        await read_upload(FORM, Body(form(larger)).receive)


async def test_a_form_that_is_announced_as_too_long_is_not_even_read() -> None:
    body = Body(form(IMAGE))
    limit = MAX_IMAGE_BYTES + MAX_FORM_OVERHEAD_BYTES
    with pytest.raises(PayloadTooLargeError):
        await read_upload(FORM | {b"content-length": str(limit + 1).encode()}, body.receive)
    assert body.received == 0


async def test_a_body_without_end_is_refused_at_the_limit() -> None:
    chunks = Body(*[b"x" * 10] * 100)
    with pytest.raises(PayloadTooLargeError):
        await collect(body_chunks({}, chunks.receive, limit_bytes=55))
    assert chunks.received == 6


async def test_the_limit_itself_is_inclusive() -> None:
    headers = {b"content-length": b"50"}
    chunks = body_chunks(headers, Body(b"x" * 25, b"x" * 25).receive, limit_bytes=50)
    assert await collect(chunks) == b"x" * 50


@pytest.mark.parametrize("length", [b"-1", b"1.5", b"ten", b"", b"0x10", b"\xb2", b"+1", b" 1"])
async def test_a_length_that_is_no_number_is_refused(length: bytes) -> None:
    body = Body(b"x")
    with pytest.raises(IncompleteBodyError):
        await collect(body_chunks({b"content-length": length}, body.receive, limit_bytes=50))
    assert body.received == 0


@pytest.mark.parametrize("digits", [20, 4_300, 10_000])
async def test_a_length_of_any_number_of_digits_is_too_long(digits: int) -> None:
    headers = {b"content-length": b"9" * digits}
    with pytest.raises(PayloadTooLargeError):
        await collect(body_chunks(headers, Body(b"x").receive, limit_bytes=50))


@pytest.mark.parametrize("headers", [RAW, FORM])
@pytest.mark.parametrize("cut_at", [0, 30, 130])
async def test_a_client_that_goes_away_leaves_an_incomplete_body(
    headers: dict[bytes, bytes], cut_at: int
) -> None:
    pieces = in_pieces(form(IMAGE)[:cut_at], 10)
    with pytest.raises(IncompleteBodyError):
        await read_upload(headers, Body(*pieces, then_disconnect=True).receive)


# Names of files


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("koala.png", "koala.png"),
        ("größer 🐨.png", "größer 🐨.png"),
        ("../../etc/passwd", "../../etc/passwd"),
        ("%2e%2e%2f", "%2e%2e%2f"),
        ("<img onerror>", "<img onerror>"),
        ("CON", "CON"),
        (".htaccess", ".htaccess"),
        ("...", "..."),
        ("", ""),
        ("a\0.png", "a_.png"),
        ("a\r\nSet-Cookie: b", "a__Set-Cookie: b"),
        ("\x1b[31mred", "_[31mred"),
        ("\u202egnp.exe", "_gnp.exe"),
        ("a\u2028b", "a_b"),
        ("\ud800.png", "_.png"),
        ("\x7f\x85", "__"),
        ("x" * 4096, "x" * 255),
        ("🐨" * 4096, "🐨" * 255),
    ],
)
def test_a_file_name_is_made_fit_to_be_shown(name: str, shown: str) -> None:
    assert clean_filename(name) == shown


def test_no_file_name_can_break_out_of_a_line() -> None:
    for code in range(0x11_0000):
        shown = clean_filename(chr(code))
        assert len(shown) == 1
        if unicodedata.category(shown).startswith("C"):
            pytest.fail(f"U+{code:04X} is shown as it is")


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"koala.png", "koala.png"),
        (b"gr%C3%B6%C3%9Fer%20%F0%9F%90%A8.png", "größer 🐨.png"),
        (b"a%0D%0Ab%00", "a__b_"),
        (b"%FF", "\ufffd"),
        (b"%", "%"),
        (b"x" * 4096, "x" * 255),
    ],
)
async def test_a_raw_image_may_bring_its_name_percent_encoded(sent: bytes, shown: str) -> None:
    upload = await read_upload(RAW | {b"x-filename": sent}, Body(b"x").receive)
    assert upload.filename == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "../../etc/passwd"),
        ("C:\\x", "x"),
        ("\\\\host\\share", "share"),
        ("a\0.png", "a_.png"),
        ("a%0D%0Ab", "a__b"),
        ("x" * 4096, "x" * 255),
        ("🐨\u202e<b>", "🐨_<b>"),
    ],
)
async def test_no_file_name_in_a_form_is_a_reason_to_refuse_the_image(
    name: str, shown: str
) -> None:
    upload = await read_upload(FORM, Body(form(Part(filename=name, data=b"x"))).receive)
    assert (upload.filename, upload.image()) == (shown, b"x")


def test_the_image_is_put_together_only_when_somebody_asks() -> None:
    chunk = b"one chunk is given as it is"
    assert Upload(chunks=[chunk], digest="", filename="").image() is chunk
    assert Upload(chunks=[b"a", b"b"], digest="", filename="").image() == b"ab"
    assert Upload(chunks=[], digest="", filename="").image() == b""


async def test_only_refusals_escape_from_random_requests() -> None:
    dice = random.Random(1)
    types = [CONTENT_TYPE, b"multipart/form-data; boundary=", b"image/png", b"text/plain", b";;"]
    body = form(IMAGE, text("params", "{}"))
    for _ in range(2000):
        headers = {b"content-type": bytearray(dice.choice(types))}
        for _ in range(dice.randint(0, 2)):
            value = headers[b"content-type"]
            value[dice.randrange(len(value))] = dice.randrange(256)
        if dice.random() < 0.3:
            headers[b"content-length"] = bytearray(dice.choice([b"9" * 30, b"-0", b"12", b"\xff"]))
        pieces = in_pieces(body[: dice.randrange(1, len(body))], dice.choice([5, 50, 500]))
        sent = Body(*pieces, then_disconnect=dice.random() < 0.3)
        try:
            await read_upload({k: bytes(v) for k, v in headers.items()}, sent.receive)
        except RequestError:
            await asyncio.sleep(0)
