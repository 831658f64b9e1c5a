"""Forms: what is read of good ones, and how a broken frame is refused (rows C34 to C38)."""

import hashlib
import random
import time

import pytest

from dispatcher.errors import (
    MalformedMultipartError,
    RequestError,
    TooManyPartsError,
    UnknownFieldError,
)
from dispatcher.intake.multipart import FIELD_NAMES, MAX_FIELD_BYTES, FormReader, ImagePart
from tests.dispatcher.forms import BOUNDARY, IMAGE, Part, form, text
from tests.dispatcher.intake.reading import HEADER, Read, read, refusal


def test_the_image_is_read_with_its_name_and_its_digest() -> None:
    form_read = read(form(IMAGE))
    assert form_read == Read("koala.png", IMAGE.data, hashlib.sha256(IMAGE.data).hexdigest(), {})


def test_text_fields_are_read_by_name() -> None:
    parts = [text(name, f"value of {name}") for name in sorted(FIELD_NAMES - {"image"})]
    for body in (form(IMAGE, *parts), form(*parts, IMAGE)):
        assert read(body).fields == {part.name: part.data.decode() for part in parts}


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7, 8, 63, 64, 100_000])
def test_how_the_body_is_cut_makes_no_difference(piece_bytes: int) -> None:
    tricky = b"\r\n--front\r\n--frontie\r\n\r\n--\r" + f"--{BOUNDARY}".encode() + b"\r\n--"
    body = form(
        Part(filename="k.png", data=tricky * 9), text("params", "{}"), text("cache", "true")
    )
    whole = read(body)
    assert whole.data == tricky * 9
    assert read(body, piece_bytes=piece_bytes) == whole


def test_text_is_utf8() -> None:
    assert read(form(IMAGE, text("pipeline", "größer 🐨"))).fields == {"pipeline": "größer 🐨"}


@pytest.mark.parametrize("value", ["", " ", "\r\n", "a\r\nb", "--", "x" * MAX_FIELD_BYTES])
def test_a_text_is_read_as_it_is(value: str) -> None:
    assert read(form(IMAGE, text("params", value))).fields == {"params": value}


# Row C34: what a boundary may be


@pytest.mark.parametrize("length", [1, 70])
def test_a_boundary_has_up_to_70_characters(length: int) -> None:
    boundary = b"b" * length
    body = form(IMAGE).replace(BOUNDARY.encode(), boundary)
    content_type = b"multipart/form-data; boundary=" + boundary
    assert read(body, content_type=content_type).filename == "koala.png"


@pytest.mark.parametrize(
    "boundary",
    [
        "----WebKitFormBoundary7MA4YWxkTrZu0gW",
        "----geckoformboundary3f2a",
        "------------------------d74496d66958873e",
        "0bf1a1ee5d7a4b8f8d3c8f8e1a2b3c4d",
        "----=_Part_0_1330493489.1668184644741",
        "Boundary+ABCDEF0123456789",
        "(a)'b'_c,d./e:f=g?h",
    ],
)
@pytest.mark.parametrize("quote", ['"', ""])
def test_the_boundaries_of_known_clients_are_taken(boundary: str, quote: str) -> None:
    content_type = f"multipart/form-data; boundary={quote}{boundary}{quote}".encode()
    body = form(IMAGE).replace(BOUNDARY.encode(), boundary.encode())
    assert read(body, content_type=content_type).filename == "koala.png"


@pytest.mark.parametrize("quoted", [b'"frontier"', b"frontier", b'frontier; charset="utf-8"'])
def test_a_boundary_may_be_quoted(quoted: bytes) -> None:
    content_type = b"multipart/form-data; boundary=" + quoted
    assert read(form(IMAGE), content_type=content_type).filename == "koala.png"


@pytest.mark.parametrize(
    "parameters",
    [
        b"",
        b";",
        b"; boundary",
        b"; boundary=",
        b'; boundary=""',
        b"; boundary=" + b"b" * 71,
        b"; boundary=" + b"b" * 10_000,
        b'; boundary="a b"',
        b'; boundary="a\\"b"',
        b'; boundary="a\r\nb"',
        b'; boundary="a\x00b"',
        "; boundary=gräns".encode(),
        '; boundary="gräns"'.encode("latin-1"),
        b'; boundary="' + b"\\" * 10_000,
        b'; boundary="' + b"\\" * 10_000 + b'"',
        b"; !=" * 10_000,
        b"; boundary=a; boundary=b",
    ],
    ids=lambda parameters: ascii(parameters[:24]),
)
def test_a_boundary_that_cannot_be_is_refused_at_once(parameters: bytes) -> None:
    before = time.process_time()
    with pytest.raises(MalformedMultipartError):
        FormReader(b"multipart/form-data" + parameters, image=ImagePart(max_bytes=1))
    assert time.process_time() - before < 0.2


# C35, C36: the frame of the form


@pytest.mark.parametrize(
    "body",
    [
        b"no boundary at all",
        b"\r\n" * 50,
        IMAGE.data,
        b"--frontier",
        b"--frontier\r\n",
        HEADER + b'"ima',
        HEADER + b'"image"; filename="a"\r\n',
        HEADER + b'"image"; filename="a"\r\n\r\npixels',
        form(IMAGE).removesuffix(b"--\r\n"),
        form(IMAGE).removesuffix(b"--\r\n") + b"\r\n",
        form(IMAGE).removesuffix(b"--\r\n") + b"-x",
        form(IMAGE).replace(b"\r\n", b"\n"),
        form(IMAGE).replace(b"\r\n", b"\r"),
        form(IMAGE).replace(b"--frontier\r\n", b"--frontier\r\n\r\n"),
        form(IMAGE).replace(b"--frontier\r\n", b"--frontier \r\n"),
        b"x" + form(IMAGE),
        form(IMAGE).replace(b"frontier", b"another-"),
    ],
    ids=lambda body: ascii(body[:40]) + f"...{len(body)}",
)
def test_a_form_whose_frame_is_broken_is_malformed(body: bytes) -> None:
    assert refusal(body) is MalformedMultipartError


@pytest.mark.parametrize("junk", [b"", b"\r\n", b"Hello.\r\n", b"--front\r\n"])
def test_a_short_preamble_and_epilogue_are_skipped(junk: bytes) -> None:
    for piece_bytes in (1, 10_000):
        assert read(junk + form(IMAGE) + junk, piece_bytes=piece_bytes).data == IMAGE.data


@pytest.mark.parametrize("junk", [b"\r\n", b"x", b"\r", b"--fro", b"\r\n--frontie"])
@pytest.mark.parametrize("where", ["preamble", "epilogue"])
def test_a_long_preamble_or_epilogue_is_malformed(junk: bytes, where: str) -> None:
    junk = junk * (20_000_000 // len(junk)) + b"\r\n"
    body = junk + form(IMAGE) if where == "preamble" else form(IMAGE) + junk
    before = time.process_time()
    with pytest.raises(MalformedMultipartError):
        read(body, piece_bytes=65_536)
    assert time.process_time() - before < 0.2


# C37: part headers


@pytest.mark.parametrize(
    "headers",
    [
        [f"X-Long: {'x' * 10_000_000}"],
        [f"X-{n}: x" for n in range(100_000)],
        [f"X-{n}: x" for n in range(9)],
        ["no colon"],
        ["Bad Name: x"],
        [" continued: x", " \t "],
        ["Content-Length: 3"],
        ["Content-Length: -1"],
        [f"Content-Length: {'9' * 5000}"],
    ],
    ids=lambda headers: f"{len(headers)} x {headers[0][:12]}",
)
def test_part_headers_beyond_their_bounds_are_malformed(headers: list[str]) -> None:
    body = form(Part(filename="a.png", data=b"pixels", headers=headers))
    before = time.process_time()
    assert refusal(body) is MalformedMultipartError
    assert time.process_time() - before < 0.4


def test_a_part_has_up_to_eight_headers() -> None:
    headers = [f"X-{n}: x" for n in range(7)]
    assert read(form(Part(filename="a.png", data=b"pixels", headers=headers))).data == b"pixels"


@pytest.mark.parametrize(
    "disposition", [b"", b"attachment; name=image", b'attachment; name="image"; filename="a"']
)
def test_a_part_that_is_no_form_data_is_malformed(disposition: bytes) -> None:
    assert refusal(form(Part(disposition=disposition, data=b"x"))) is MalformedMultipartError


def test_a_part_without_a_disposition_is_malformed() -> None:
    body = form(IMAGE).replace(b"Content-Disposition", b"X-Disposition")
    assert refusal(body) is MalformedMultipartError


# C38: how many parts


@pytest.mark.parametrize(
    "part", [text("more", ""), Part(name="more", filename="")], ids=["text", "file"]
)
def test_ten_thousand_parts_are_too_many(part: Part) -> None:
    assert refusal(form(IMAGE, *[part] * 10_000)) is TooManyPartsError
    assert refusal(form(*[part] * 10_000, IMAGE)) is TooManyPartsError


def test_nine_parts_are_not_too_many_yet() -> None:
    unknown = text("more", "")
    assert refusal(form(IMAGE, *[unknown] * 8)) is UnknownFieldError
    assert refusal(form(IMAGE, *[unknown] * 9)) is TooManyPartsError


@pytest.mark.parametrize("media_type", ["multipart/mixed; boundary=inner", "Multipart/Mixed"])
def test_a_part_may_not_be_a_form_itself(media_type: str) -> None:
    nested = Part(filename="a.png", data=b"x", headers=[f"Content-Type: {media_type}"])
    assert refusal(form(nested)) is MalformedMultipartError


# Fuzz


def test_a_refusal_never_echoes_what_was_sent() -> None:
    for hostile in (text("<script>", "x"), Part(name="<script>", filename="a"), IMAGE):
        with pytest.raises(RequestError) as refused:
            read(form(IMAGE, hostile))
        assert "script" not in refused.value.detail


@pytest.mark.parametrize("seed", range(4))
def test_only_refusals_escape_from_damaged_forms(seed: int) -> None:
    dice = random.Random(seed)
    good = form(text("params", '{"0": {}}'), IMAGE, text("cache", "false"))
    tokens = [b"\r\n", b"\n", b"\r", b"--", b"--frontier", b'"', b";", b"=", b"\x00", b"\xff", b":"]
    refused = 0
    for _ in range(500):
        body = bytearray(good)
        for _ in range(dice.randint(1, 5)):
            start = dice.randrange(len(body))
            end = min(len(body), start + dice.choice([0, 0, 1, 2, 40]))
            body[start:end] = dice.choice([*tokens, b"", body[:40], dice.randbytes(3)])
        try:
            read(bytes(body), piece_bytes=dice.choice([1, 5, 64, 10_000]))
        except RequestError:
            refused += 1
    assert 0 < refused < 500
