"""Fields of forms: which, how long, and what they may hold (rows C39 to C48)."""

import pytest

from dispatcher.errors import (
    DuplicateFieldError,
    FieldTooLargeError,
    InvalidParamsError,
    MalformedMultipartError,
    MissingFieldError,
    PayloadTooLargeError,
    UnknownFieldError,
    WrongFieldKindError,
)
from dispatcher.intake.multipart import FIELD_NAMES, MAX_FIELD_BYTES, FormReader, ImagePart
from tests.dispatcher.forms import CONTENT_TYPE, IMAGE, Part, form, text
from tests.dispatcher.intake.reading import HEADER, MAX_IMAGE_BYTES, read, refusal

# C39: how long a field may be


def test_a_text_has_up_to_64_kib() -> None:
    assert refusal(form(IMAGE, text("params", "x" * (MAX_FIELD_BYTES + 1)))) is FieldTooLargeError


@pytest.mark.parametrize("name", ["params", "more"])
def test_a_text_without_end_is_refused_as_soon_as_it_is_too_long(name: str) -> None:
    reader = FormReader(CONTENT_TYPE, image=ImagePart(max_bytes=MAX_IMAGE_BYTES))
    reader.feed(HEADER + f'"{name}"\r\n\r\n'.encode())
    reader.feed(b"x" * MAX_FIELD_BYTES)
    with pytest.raises(FieldTooLargeError):
        reader.feed(b"x" * 100)


def test_an_image_has_up_to_as_many_bytes_as_it_may() -> None:
    largest = Part(filename="a.png", data=b"x" * MAX_IMAGE_BYTES)
    assert len(read(form(largest)).data) == MAX_IMAGE_BYTES
    larger = Part(filename="a.png", data=b"x" * (MAX_IMAGE_BYTES + 1))
    assert refusal(form(larger)) is PayloadTooLargeError


# C41, C44, C45, C47: which fields


@pytest.mark.parametrize("again", [IMAGE, Part(filename="other.png", data=b"other")])
def test_neither_of_two_images_wins(again: Part) -> None:
    assert refusal(form(IMAGE, again)) is DuplicateFieldError


@pytest.mark.parametrize("name", sorted(FIELD_NAMES - {"image"}))
def test_neither_of_two_texts_wins(name: str) -> None:
    assert refusal(form(IMAGE, text(name, "true"), text(name, "true"))) is DuplicateFieldError
    assert refusal(form(IMAGE, text(name, ""), text(name, "true"))) is DuplicateFieldError


def test_an_image_that_is_no_file_is_of_the_wrong_kind() -> None:
    assert refusal(form(text("image", IMAGE.data))) is WrongFieldKindError


@pytest.mark.parametrize("name", sorted(FIELD_NAMES - {"image"}))
def test_a_text_that_is_a_file_is_of_the_wrong_kind(name: str) -> None:
    assert refusal(form(IMAGE, Part(name=name, filename="a.txt"))) is WrongFieldKindError


@pytest.mark.parametrize(
    "disposition", [b"form-data", b"form-data; filename=a.png", b"form-data; name*0=im; name*1=age"]
)
def test_a_part_without_a_name_is_unknown(disposition: bytes) -> None:
    assert refusal(form(IMAGE, Part(disposition=disposition))) is UnknownFieldError


@pytest.mark.parametrize(
    "name", ["more", "Image", "image ", "images", "__proto__", "", "image\x00"]
)
@pytest.mark.parametrize("filename", [None, "a.png"])
def test_a_field_of_another_name_is_unknown(name: str, filename: str | None) -> None:
    stranger = Part(name=name, filename=filename, data=b"x")
    assert refusal(form(IMAGE, stranger)) is UnknownFieldError
    assert refusal(form(stranger, IMAGE)) is UnknownFieldError


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "BASE64"])
def test_an_encoded_part_is_not_decoded_but_refused(encoding: str) -> None:
    encoded = Part(filename="a", data=b"eA==", headers=[f"Content-transfer-encoding: {encoding}"])
    assert refusal(form(encoded)) is MalformedMultipartError


@pytest.mark.parametrize("parts", [(), (text("params", "{}"),)])
def test_a_form_without_an_image_lacks_it(parts: tuple[Part, ...]) -> None:
    assert refusal(form(*parts)) is MissingFieldError


# C42, C43: names of files


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        (b'form-data; name="image"; filename="good"; filename*=UTF-8\'\'evil', "good"),
        (b'form-data; name="image"; filename*=UTF-8\'\'evil; filename="good"', "good"),
        (b'form-data; name="image"; filename="good"; filename*0="evil"', "good"),
        (b"form-data; name=image; filename=plain.png", "plain.png"),
        (b'form-data; filename="first.png"; name="image"', "first.png"),
        (b'form-data; name="image"; filename="a;b.png"', "a;b.png"),
        (b'form-data; name="image"; filename="a\\"b.png"', 'a"b.png'),
        (b'form-data; name="image"; filename="a%22b.png"', 'a"b.png'),
        (b'form-data; name="image"; filename=""', ""),
        ('form-data; name="image"; filename="größer 🐨.png"'.encode(), "größer 🐨.png"),
    ],
)
def test_the_plain_file_name_is_the_one_that_counts(disposition: bytes, filename: str) -> None:
    assert read(form(Part(disposition=disposition, data=b"x"))).filename == filename


@pytest.mark.parametrize("name", [b"caf\xe9.png", b"\xed\xa0\x80.png", b"\xff\xfe", b"\xf0\x9f"])
def test_a_file_name_in_another_encoding_is_no_reason_to_refuse_an_image(name: bytes) -> None:
    disposition = b'form-data; name="image"; filename="' + name + b'"'
    form_read = read(form(Part(disposition=disposition, data=b"x")))
    assert form_read.data == b"x"
    assert "\ufffd" in form_read.filename


# C48: what a text may hold


def test_a_text_that_is_no_utf8_is_refused() -> None:
    assert refusal(form(IMAGE, text("pipeline", b"caf\xe9"))) is MalformedMultipartError
    assert refusal(form(IMAGE, text("params", b'{"caf\xe9": {}}'))) is InvalidParamsError
