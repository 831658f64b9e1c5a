"""What counts as the same: bytes and meaning, never names or types (rows C12 to C33)."""

import hashlib
import json

import httpx
import pytest

from tests.dispatcher.forms import CONTENT_TYPE, Part, form, text
from tests.end_to_end.service import Service
from tests.hostile import jpegs, pngs
from tests.hostile.wire import Answer, send
from tests.step_app.pictures import KINDS, encode, rotated_by_exif, small_photo

_MESSAGE = bytes.fromhex(
    "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f89"
    "55ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b"
    "d8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0"
    "e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70"
)
_TURNED = (19, 45, 59, 83, 109, 123)
MD5_PAIR = (
    _MESSAGE,
    bytes(byte ^ 0x80 if place in _TURNED else byte for place, byte in enumerate(_MESSAGE)),
)
"""Two messages with one MD5 (Wang, Feng, Lai and Yu, 2004)."""

ONE_LABEL = [
    kind
    for kind in KINDS
    # So few greys, and what shows through, make another picture of it.
    if not kind.startswith(("1-bit", "2-bit", "dithered")) and "transparent" not in kind
]


def submit(service: Service, image: bytes, query: str = "", **headers: str) -> Answer:
    given = {"Content-Type": "image/jpeg", **{k.replace("_", "-"): v for k, v in headers.items()}}
    lines = [(name.encode(), value.encode()) for name, value in given.items()]
    return send(f"{service.url}/predict_async{query}", image, headers=lines)


def finished(client: httpx.Client, ticket: Answer) -> dict[str, object]:
    job_id = ticket.document()["request_id"]
    document: dict[str, object] = client.get(f"/result/{job_id}", params={"wait": 20}).json()
    assert document["status"] == "completed", document
    return document


def best_label(client: httpx.Client, ticket: Answer) -> str:
    result = finished(client, ticket)["result"]
    assert isinstance(result, dict)
    label: str = result["predictions"][0]
    return label


# C12 to C15: the same photo in other files


@pytest.fixture(scope="module")
def koala(service: Service, client: httpx.Client) -> str:
    """The label of an upright photo in a plain file."""
    plain = encode(small_photo("koala", 320), "PNG")
    return best_label(client, submit(service, plain))


@pytest.mark.parametrize("kind", ONE_LABEL)
def test_a_photo_has_one_label_in_every_kind_of_file(
    service: Service, client: httpx.Client, koala: str, kind: str
) -> None:
    data = KINDS[kind](small_photo("koala", 320)).data
    assert best_label(client, submit(service, data)) == koala


@pytest.mark.parametrize("transform", [None, 0, 2], ids=["no marker", "CMYK", "YCCK"])
def test_four_channels_are_never_silently_inverted(
    service: Service, client: httpx.Client, koala: str, transform: int | None
) -> None:
    assert best_label(client, submit(service, jpegs.cmyk(transform))) == koala


@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
def test_a_photo_that_lies_on_its_side_has_the_same_label(
    service: Service, client: httpx.Client, koala: str, orientation: int
) -> None:
    turned = rotated_by_exif(small_photo("koala", 320), orientation, "JPEG")
    assert best_label(client, submit(service, turned)) == koala


def test_nothing_of_the_metadata_is_told_or_logged(service: Service, client: httpx.Client) -> None:
    secret = b"N 52 31 12 E 13 24 36"
    tagged = jpegs.with_segments(
        jpegs.exif(b"II*\0\x08\0\0\0\0\0\0\0\0\0" + secret), jpegs.segment(0xFE, secret)
    )
    document = json.dumps(finished(client, submit(service, tagged)))
    assert secret.decode() not in document
    assert secret not in service.stderr_path.read_bytes()


# C26, C27, C30 to C32: which images and params are the same


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("a.png", "image/png"), ("a.html", "application/octet-stream"), ("", "image/whatever")],
)
def test_content_decides_and_not_its_name_or_type(
    service: Service, client: httpx.Client, name: str, media_type: str
) -> None:
    image = jpegs.plain() + b"the same"
    finished(client, submit(service, image, X_Filename="a.jpg"))
    again = submit(service, image, Content_Type=media_type, X_Filename=name)
    assert again.status == 200
    assert again.document()["from_cache"]


@pytest.mark.parametrize("media_type", [None, "text/html", "image/png"])
def test_the_type_of_a_part_is_a_hint_only(
    service: Service, client: httpx.Client, media_type: str | None
) -> None:
    headers = [f"Content-Type: {media_type}"] if media_type else []
    body = form(Part(filename="a.html", data=jpegs.plain(), headers=headers))
    ticket = send(f"{service.url}/predict_async", body, headers=[(b"Content-Type", CONTENT_TYPE)])
    assert ticket.status in (200, 202)
    finished(client, ticket)


def test_other_bytes_are_another_image_even_if_they_show_the_same(
    service: Service, client: httpx.Client
) -> None:
    for image in (jpegs.plain(61), jpegs.plain(61) + b"\0", jpegs.plain(61, quality=100)):
        first = submit(service, image)
        assert first.status == 202
        finished(client, first)
        assert submit(service, image).status == 200


def test_two_messages_of_one_md5_are_two_images(service: Service, client: httpx.Client) -> None:
    one, other = MD5_PAIR
    assert one != other
    assert hashlib.md5(one).digest() == hashlib.md5(other).digest()
    # A JPEG may be followed by anything; its digest is of all bytes.
    for tail in MD5_PAIR:
        ticket = submit(service, jpegs.plain(62) + tail)
        assert ticket.status == 202
        finished(client, ticket)


def test_the_same_pixels_in_another_shape_are_another_image(
    service: Service, client: httpx.Client
) -> None:
    for size in ((30, 150), (150, 30)):
        ticket = submit(service, pngs.black(*size))
        assert ticket.status == 202
        finished(client, ticket)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ('{"0": {"top_k": 3}}', ' {"0":{"top_k":3.0}}\n', True),
        ('{"0": {"top_k": 3}}', '{"classifier": {"top_k": 3}}', True),
        ('{"0": {"top_k": 3}}', '{"\\u0030": {"top_\\u006b": 3}}', True),
        ('{"0": {"top_k": 3}}', '{"0": {"top_k": 4}}', False),
    ],
    ids=["whitespace", "id or type", "escapes", "another value"],
)
def test_params_are_the_same_when_they_mean_the_same(
    service: Service, client: httpx.Client, one: str, other: str, is_same: bool
) -> None:
    image = Part(filename="a.jpg", data=jpegs.plain(63) + f"{one}{other}".encode())

    def sent(params: str) -> Answer:
        body = form(image, text("params", params))
        return send(f"{service.url}/predict_async", body, headers=[(b"Content-Type", CONTENT_TYPE)])

    finished(client, sent(one))
    assert sent(other).status == (200 if is_same else 202)


# C33: pictures without any contrast


@pytest.mark.parametrize("shade", [0, 255], ids=["black", "white"])
@pytest.mark.parametrize("operation", ["grayscale", "sobel", "blur", "deblur", "resize", "split"])
def test_a_picture_of_one_shade_gives_valid_json_everywhere(
    service: Service, client: httpx.Client, operation: str, shade: int
) -> None:
    value = {"resize": "16x16"}.get(operation, True)
    actions = text("actions", json.dumps({"operations": [[operation, value]]}))
    picture = small_photo("koala", 64).point([shade] * 768)
    body = form(actions, Part(name="files", filename="a.png", data=encode(picture, "PNG")))
    answer = send(f"{service.url}/process", body, headers=[(b"Content-Type", CONTENT_TYPE)])
    assert answer.status == 202, answer.body
    batch = client.get(f"/batch/{answer.document()['batch_id']}", params={"wait": 20})
    assert batch.json()["counts"]["completed"] == 1, batch.text
    assert "NaN" not in batch.text
    (file,) = batch.json()["requests"]
    document = client.get(file["status_url"])
    assert "NaN" not in document.text
    json.loads(document.text, parse_constant=pytest.fail)
