"""Forms of several files: which fields, how many, how long, and how the rest is refused."""

import json
import time

import pytest

from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.errors import (
    DuplicateFieldError,
    FieldTooLargeError,
    InvalidParamsError,
    InvalidValueError,
    MalformedMultipartError,
    MissingFieldError,
    PayloadTooLargeError,
    RequestError,
    TooManyPartsError,
    UnknownFieldError,
    UnsupportedEncodingError,
    UnsupportedMediaTypeError,
    WrongFieldKindError,
)
from dispatcher.intake.batch_form import MAX_BODY_BYTES, MAX_FILES, read_batch_form
from dispatcher.intake.multipart import MAX_FIELD_BYTES
from step_app.contract.limits import MAX_IMAGE_BYTES
from tests.dispatcher.forms import CONTENT_TYPE, Body, Part, form, text
from tests.dispatcher.images import png
from tests.dispatcher.intake.batch_reading import ACTIONS, BLUR, file, read, refusal

TINY = Part(name="files", filename="a", data=png())
SPLIT_MUCH = {"operations": [["split", {"rows": 32, "cols": 32}]]}


async def kind_of_refusal(body: bytes, *, content_type: bytes = CONTENT_TYPE) -> type[RequestError]:
    return type(await refusal(body, content_type=content_type))


# Which fields


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (ACTIONS,),
        (file(),),
        (ACTIONS, Part(name="files", filename="")),
        (text("cache", "true"),),
    ],
)
async def test_actions_and_files_must_both_be_there(parts: tuple[Part, ...]) -> None:
    assert await kind_of_refusal(form(*parts)) is MissingFieldError


@pytest.mark.parametrize("name", ["image", "file", "Files", "files[0]", "action", "", "__proto__"])
@pytest.mark.parametrize("filename", [None, "a.png"])
async def test_a_field_of_another_name_is_unknown(name: str, filename: str | None) -> None:
    stranger = Part(name=name, filename=filename, data=b"x")
    error = await refusal(form(ACTIONS, file(), stranger))
    assert type(error) is UnknownFieldError
    assert error.detail == "The form has an unknown field; known: actions, cache, files."


@pytest.mark.parametrize(
    "disposition", [b"form-data", b"form-data; filename=a.png", b"form-data; name*0=fi; name*1=les"]
)
async def test_a_part_without_a_name_is_unknown(disposition: bytes) -> None:
    body = form(ACTIONS, file(), Part(disposition=disposition))
    assert await kind_of_refusal(body) is UnknownFieldError


@pytest.mark.parametrize(
    "part",
    [
        text("files", png()),
        Part(name="actions", filename="a.json", data=b"{}"),
        Part(name="actions", filename="a", data=b"{}", headers=["Content-Type: image/png"]),
        Part(name="cache", filename="a", data=b"true"),
        Part(name="cache", filename="a", data=b"true", headers=["Content-Type: application/json"]),
    ],
)
async def test_a_field_of_the_wrong_kind_is_refused(part: Part) -> None:
    assert await kind_of_refusal(form(ACTIONS, part, file())) is WrongFieldKindError


@pytest.mark.parametrize("value", ["", "yes", "True", "1", " true"])
async def test_the_cache_is_true_or_false(value: str) -> None:
    assert await kind_of_refusal(form(ACTIONS, file(), text("cache", value))) is InvalidValueError


async def test_neither_of_two_cache_fields_wins() -> None:
    twice = [text("cache", "true")] * 2
    assert await kind_of_refusal(form(ACTIONS, file(), *twice)) is DuplicateFieldError


# What actions may hold


@pytest.mark.parametrize("value", [b"", b"{", b"\xff\xfe", b"\xef\xbb\xbf{}", b"[]", b"null"])
async def test_actions_that_cannot_be_are_refused(value: bytes) -> None:
    assert await kind_of_refusal(form(text("actions", value), file())) is InvalidParamsError


async def test_an_error_in_a_later_actions_field_names_the_field() -> None:
    bad = text("actions", json.dumps({"operations": [["blur", "box"]]}))
    error = await refusal(form(ACTIONS, file(), bad))
    assert error.detail.startswith("actions (field 2).operations[0] (blur): method must be one of")


async def test_more_than_eight_actions_are_refused() -> None:
    eight = [text("actions", json.dumps([BLUR] * 4))] * 2
    assert len((await read(form(*eight, file()))).form.actions) == 8
    assert await kind_of_refusal(form(*eight, ACTIONS, file())) is InvalidParamsError


# How many, how long


async def test_a_thousand_files_are_taken_and_one_more_is_not() -> None:
    assert len((await read(form(ACTIONS, *[TINY] * MAX_FILES))).form.files) == MAX_FILES
    assert await kind_of_refusal(form(ACTIONS, *[TINY] * (MAX_FILES + 1))) is TooManyPartsError


@pytest.mark.parametrize("part", [TINY, Part(name="files", filename=""), ACTIONS])
async def test_ten_thousand_parts_are_too_many(part: Part) -> None:
    before = time.process_time()
    error = await refusal(form(ACTIONS, *[part] * 10_000))
    assert type(error) in (TooManyPartsError, InvalidParamsError)
    assert time.process_time() - before < 2


async def test_files_times_actions_are_bounded() -> None:
    actions = text("actions", json.dumps([BLUR] * 8))
    assert len((await read(form(actions, *[TINY] * 125))).form.files) == 125
    for parts in ((actions, *[TINY] * 126), (*[TINY] * 126, actions)):
        assert await kind_of_refusal(form(*parts)) is TooManyPartsError


async def test_the_pictures_that_would_be_made_are_bounded() -> None:
    much = text("actions", json.dumps(SPLIT_MUCH))
    assert len((await read(form(much, *[TINY] * 9))).form.files) == 9
    for parts in ((much, *[TINY] * 10), (*[TINY] * 10, much)):
        error = await refusal(form(*parts))
        assert type(error) is InvalidParamsError
        assert error.detail == "actions: more than 10000 pictures would be made of 10 files."


@pytest.mark.parametrize("name", ["actions", "cache"])
async def test_a_text_without_end_is_refused_as_soon_as_it_is_too_long(name: str) -> None:
    endless = Body(form(text(name, "x" * MAX_FIELD_BYTES))[:-20], *[b"x" * 100] * 50)
    with pytest.raises(FieldTooLargeError):
        await read_batch_form(
            {b"content-type": CONTENT_TYPE}, endless.receive, blobs=MemoryBlobStore()
        )
    assert endless.received <= 3


async def test_a_file_has_up_to_twenty_mebibytes() -> None:
    largest = Part(name="files", filename="a", data=png(tail=bytes(MAX_IMAGE_BYTES - len(png()))))
    (entry,) = (await read(form(ACTIONS, largest), piece_bytes=2**20)).form.files
    assert entry.kind is not None
    larger = Part(name="files", filename="a", data=largest.data + b"\0")
    assert await kind_of_refusal(form(ACTIONS, TINY, larger)) is PayloadTooLargeError


async def test_a_body_that_announces_too_much_is_refused_before_it_is_read() -> None:
    length = str(MAX_BODY_BYTES + 1).encode()
    headers = {b"content-type": CONTENT_TYPE, b"content-length": length}
    body = Body(b"x")
    with pytest.raises(PayloadTooLargeError):
        await read_batch_form(headers, body.receive, blobs=MemoryBlobStore())
    assert body.received == 0


# The frame of the form: rows C34 to C38, C40, C45, C46


@pytest.mark.parametrize(
    "content_type",
    [
        b"",
        b"application/x-www-form-urlencoded",
        b"application/json",
        b"image/png",
        b"multipart/mixed; boundary=frontier",
        b"text/plain; multipart/form-data; boundary=frontier",
    ],
)
async def test_another_media_type_is_not_even_read(content_type: bytes) -> None:
    body = Body(b"a;" * 1000)
    with pytest.raises(UnsupportedMediaTypeError):
        await read_batch_form(
            {b"content-type": content_type}, body.receive, blobs=MemoryBlobStore()
        )
    assert body.received == 0


async def test_a_compressed_body_is_not_inflated() -> None:
    headers = {b"content-type": CONTENT_TYPE, b"content-encoding": b"gzip"}
    with pytest.raises(UnsupportedEncodingError):
        await read_batch_form(headers, Body(b"x").receive, blobs=MemoryBlobStore())


@pytest.mark.parametrize(
    "parameters",
    [
        b"",
        b"; boundary=",
        b"; boundary=" + b"b" * 71,
        b'; boundary="a b"',
        b"; boundary=a; boundary=b",
    ],
)
async def test_a_boundary_that_cannot_be_is_refused(parameters: bytes) -> None:
    content_type = b"multipart/form-data" + parameters
    assert await kind_of_refusal(b"x", content_type=content_type) is MalformedMultipartError


@pytest.mark.parametrize(
    "body",
    [
        b"no boundary at all",
        b"--frontier\r\n",
        form(ACTIONS, file()).removesuffix(b"--\r\n") + b"-x",
        form(ACTIONS, file()).replace(b"\r\n", b"\n"),
        b"x" + form(ACTIONS, file()),
        form(ACTIONS, Part(name="files", filename="a", headers=["X: x"] * 9)),
        form(ACTIONS, Part(name="files", filename="a", headers=[f"X: {'x' * 9000}"])),
        form(
            ACTIONS,
            Part(name="files", filename="a", headers=["Content-Transfer-Encoding: base64"]),
        ),
        form(
            ACTIONS,
            Part(name="files", filename="a", headers=["Content-Type: multipart/mixed; boundary=b"]),
        ),
    ],
    ids=lambda body: ascii(body[:30]) + f"...{len(body)}",
)
async def test_a_form_whose_frame_is_broken_is_malformed(body: bytes) -> None:
    assert await kind_of_refusal(body) is MalformedMultipartError


async def test_a_form_without_its_end_is_malformed() -> None:
    body = form(ACTIONS, file(1), file(2)).removesuffix(b"--frontier--\r\n")
    assert await kind_of_refusal(body) is MalformedMultipartError


@pytest.mark.parametrize("junk", [b"\r\n", b"x"])
@pytest.mark.parametrize("where", ["preamble", "epilogue"])
async def test_a_long_preamble_or_epilogue_is_malformed(junk: bytes, where: str) -> None:
    junk = junk * (20_000_000 // len(junk)) + b"\r\n"
    good = form(ACTIONS, file())
    before = time.process_time()
    with pytest.raises(MalformedMultipartError):
        await read(junk + good if where == "preamble" else good + junk, piece_bytes=65_536)
    assert time.process_time() - before < 0.5


# Names of files: rows C42, C43


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        (b'form-data; name="files"; filename="good"; filename*=UTF-8\'\'evil', "good"),
        ('form-data; name="files"; filename="größer 🐨.png"'.encode(), "größer 🐨.png"),
        (b'form-data; name="files"; filename="a\x00\x1bb.png"', "a__b.png"),
        (b'form-data; name="files"; filename="../../etc/passwd"', "../../etc/passwd"),
        (b'form-data; name="files"; filename="' + b"x" * 4000 + b'"', "x" * 255),
        (b'form-data; name="files"; filename="\xff"', "\ufffd"),
    ],
)
async def test_a_file_name_is_kept_to_be_shown(disposition: bytes, filename: str) -> None:
    part = Part(disposition=disposition, data=png())
    (entry,) = (await read(form(ACTIONS, part))).form.files
    assert entry.filename == filename
