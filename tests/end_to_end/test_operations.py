"""``POST /process`` with real photos and real replicas: what comes out is opened and looked at."""

import io
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urljoin
from zipfile import ZipFile

import httpx
import pytest
from PIL import Image, ImageChops, ImageStat

from tests.end_to_end.service import IMAGES, Service, distinct, photo, wait_until
from tests.end_to_end.test_bad_input import check_problem

NAMES = sorted(path.name for path in IMAGES.glob("*.jpg"))
RESIZE_SPLIT_BLUR = [["resize", "200x300"], ["split", True], ["blur", "gaussian"]]
Files = list[tuple[str, bytes]]


def process(
    client: httpx.Client, files: Files, *operations: Any, output: str | None = None
) -> httpx.Response:
    actions = {"operations": operations} | ({} if output is None else {"output": output})
    fields = [("files", file) for file in files]
    return client.post("/process", data={"actions": json.dumps(actions)}, files=fields)


def run(
    client: httpx.Client, files: Files, *operations: Any, output: str | None = None
) -> dict[str, Any]:
    """Send a batch and return it as it ended."""
    response = process(client, files, *operations, output=output)
    assert response.status_code == 202, response.text
    for _ in range(6):
        document: dict[str, Any] = client.get(
            response.json()["status_url"], params={"wait": 20}
        ).json()
        if document["is_done"]:
            return document
    raise AssertionError(f"the batch did not end: {document['counts']}")


def fetch(client: httpx.Client, url: str) -> bytes:
    return client.get(url).raise_for_status().content


def open_picture(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def pictures_of(
    client: httpx.Client, document: dict[str, Any], number: int = 0
) -> list[Image.Image]:
    request = document["requests"][number]
    assert request["status"] == "completed", request
    return [open_picture(fetch(client, url)) for url in request["outputs"]]


def difference(left: Image.Image, right: Image.Image) -> float:
    """Mean difference of two pictures of the same size, in grey levels."""
    assert left.size == right.size
    means = ImageStat.Stat(ImageChops.difference(left.convert("RGB"), right.convert("RGB"))).mean
    return sum(means) / len(means)


# The user's order


def test_every_photo_is_resized_split_and_blurred(client: httpx.Client) -> None:
    files = [(name, photo(name)) for name in NAMES]
    document = run(client, files, *RESIZE_SPLIT_BLUR, output="jpg")
    assert document["counts"]["completed"] == len(files) >= 10
    for number, (name, data) in enumerate(files):
        pieces = pictures_of(client, document, number)
        assert [(piece.size, piece.format) for piece in pieces] == [((100, 150), "JPEG")] * 4
        whole = Image.new("RGB", (200, 300))
        for place, piece in enumerate(pieces):
            whole.paste(piece, (place % 2 * 100, place // 2 * 150))
        expected = open_picture(data).convert("RGB").resize((200, 300), Image.Resampling.BOX)
        assert difference(whole, expected) < 12, f"{name}: pieces in reading order"


def test_pieces_flow_through_what_follows(client: httpx.Client) -> None:
    file = [("koala.jpg", photo())]
    before = run(client, file, ["resize", "200x300"], ["split", True])
    after = run(client, file, ["split", True], ["resize", "200x300"])
    twice = run(client, file, ["split", {"rows": 1, "cols": 3}], ["resize", "90x60"], ["split"])
    assert {piece.size for piece in pictures_of(client, before)} == {(100, 150)}
    assert {piece.size for piece in pictures_of(client, after)} == {(200, 300)}
    assert [piece.size for piece in pictures_of(client, twice)] == [(45, 30)] * 12


def test_another_order_is_another_picture(client: httpx.Client) -> None:
    file = [("koala.jpg", photo())]
    blur = ["blur", {"method": "median", "ksize": 15}]
    first = run(client, file, blur, ["resize", "120x160"], output="png")
    second = run(client, file, ["resize", "120x160"], blur, output="png")
    again = run(client, file, blur, ["resize", "120x160"], output="png")
    (one,), (two,), (three,) = (pictures_of(client, d) for d in (first, second, again))
    assert difference(one, two) > 1
    assert difference(one, three) == 0
    assert client.get(again["requests"][0]["status_url"]).json()["from_cache"] is True


# Formats


@pytest.mark.parametrize(
    ("output", "format_", "media_type"),
    [("jpg", "JPEG", "image/jpeg"), ("png", "PNG", "image/png"), ("webp", "WEBP", "image/webp")],
)
def test_pictures_come_out_in_the_format_asked_for(
    client: httpx.Client, output: str, format_: str, media_type: str
) -> None:
    document = run(client, [("koala.jpg", photo())], ["resize", 64], output=output)
    (url,) = document["requests"][0]["outputs"]
    assert url.endswith(f"/made/koala.{output}")
    response = client.get(url)
    assert response.headers["content-type"] == media_type
    assert open_picture(response.content).format == format_


def test_without_one_the_format_of_each_file_stays(client: httpx.Client) -> None:
    buffer = io.BytesIO()
    open_picture(photo()).save(buffer, "PNG")
    files = [("koala.jpg", photo()), ("koala.png", buffer.getvalue())]
    document = run(client, files, ["resize", "50%"])
    formats = [pictures_of(client, document, number)[0].format for number in range(2)]
    assert formats == ["JPEG", "PNG"]


def test_a_photo_is_changed_and_then_classified(client: httpx.Client) -> None:
    document = run(client, [("koala.jpg", photo())], ["resize", "75%"], ["classifier", 3])
    result = client.get(document["requests"][0]["status_url"]).json()["result"]
    assert result["predictions"][0] == "koala"
    assert len(result["predictions"]) == 3
    (picture,) = pictures_of(client, document)
    assert picture.size == (360, 480)


# Names, the page and the zip


def test_files_of_the_same_name_never_collide(client: httpx.Client) -> None:
    files = [("koala.jpg", photo(NAMES[0])), ("koala.jpg", photo(NAMES[1])), ("KOALA.jpg", photo())]
    document = run(client, files, ["resize", "64x64"], output="png")
    for request, (_, data) in zip(document["requests"], files, strict=True):
        assert fetch(client, request["sent"]) == data
    sent = [request["sent"] for request in document["requests"]]
    made = [url for request in document["requests"] for url in request["outputs"]]
    for urls in (sent, made):
        assert len({unquote(url).casefold() for url in urls}) == 3
    assert len({fetch(client, url) for url in made}) == 3


def test_the_page_and_the_zip_have_all_that_was_sent_and_made(client: httpx.Client) -> None:
    files = [(name, photo(name)) for name in NAMES[:3]]
    document = run(client, files, *RESIZE_SPLIT_BLUR, output="png")
    page = client.get(document["static_url"]).raise_for_status().text
    with ZipFile(io.BytesIO(fetch(client, document["zip_url"]))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(names) == 3 + 12
        for name in names:
            assert f'href="{name}"' in page
            data = fetch(client, urljoin(document["static_url"], name))
            assert data == archive.read(name)
            if name.startswith("made/"):
                assert open_picture(data).size == (100, 150)


# What is bad stays alone


def test_of_several_files_only_the_broken_ones_fail(client: httpx.Client) -> None:
    good = photo()
    files = [
        ("good.jpg", good),
        ("cut.jpg", good[: len(good) // 2]),
        ("text.jpg", b"just words"),
        ("empty.jpg", b""),
        ("also-good.jpg", distinct(good, 7)),
    ]
    document = run(client, files, ["resize", "50%"])
    states = [request["status"] for request in document["requests"]]
    assert states == ["completed", "failed", "failed", "failed", "completed"]
    codes = [request["error"]["code"] for request in document["requests"] if request["error"]]
    assert codes == ["image_truncated", "unsupported_image_type", "empty_file"]
    assert len(pictures_of(client, document, 0)) == len(pictures_of(client, document, 4)) == 1
    with ZipFile(io.BytesIO(fetch(client, document["zip_url"]))) as archive:
        made = [name for name in archive.namelist() if name.startswith("made/")]
    assert made == ["made/good.jpg", "made/also-good.jpg"]


def test_a_split_finer_than_the_picture_fails_that_file_alone(client: httpx.Client) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(buffer, "PNG")
    files = [("tiny.png", buffer.getvalue()), ("koala.jpg", photo())]
    document = run(client, files, ["split", {"rows": 16, "cols": 1}])
    tiny, koala = document["requests"]
    assert (tiny["status"], tiny["error"]["code"]) == ("failed", "invalid_params")
    assert len(koala["outputs"]) == 16


@pytest.mark.parametrize(
    ("operations", "output", "told"),
    [
        ([["rotate", 90]], None, "actions.operations[0]: unknown operation; known: blur"),
        ([["resize", 0]], None, "actions.operations[0] (resize): size must be"),
        ([["blur"], ["resize", 100_000]], None, "actions.operations[1] (resize): size must be"),
        ([["blur", 5]], None, "actions.operations[0] (blur): method must be one of gaussian"),
        ([["blur"]], "exe", "actions.output: must be one of jpg, jpeg, png, webp."),
    ],
)
def test_bad_actions_are_refused_before_anything_runs(
    service: Service, client: httpx.Client, operations: list[Any], output: str | None, told: str
) -> None:
    before = service.status()["total_requests"]
    response = process(client, [("koala.jpg", photo())], *operations, output=output)
    check_problem(response, 422, "invalid_params")
    assert response.json()["detail"].startswith(told)
    assert service.status()["total_requests"] == before


def test_a_client_that_is_still_sending_sees_the_refusal(client: httpx.Client) -> None:
    def body() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="actions"\r\n\r\n{}\r\n'
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        for _ in range(300):
            yield bytes(65_536)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    check_problem(client.post("/process", content=body(), headers=headers), 422, "invalid_params")


def test_nothing_is_left_of_a_client_that_goes_away_while_it_sends(
    service: Service, client: httpx.Client
) -> None:
    def kept() -> int:
        return int(service.status()["storage_metrics"]["blob_bytes"])

    before = kept()
    head = (
        b"POST /process HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    url = httpx.URL(service.url)
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        connection.sendall(head)
        for number in range(9):
            connection.sendall(part + distinct(photo(), 900_000 + number) + b"\r\n")
        expected = before + 8 * len(photo())
        wait_until(lambda: kept() >= expected, what="that the first files are kept")
    wait_until(lambda: kept() == before, what="that nothing is left of them")
    assert run(client, [("koala.jpg", photo())], ["resize", 32])["counts"]["completed"] == 1


# Many


def test_256_files_in_one_request_pass_a_queue_of_200(
    service: Service, client: httpx.Client
) -> None:
    assert service.status()["queue_metrics"]["queue_capacity"] == 200
    before = service.status()
    files = [(f"{n}.jpg", distinct(photo(NAMES[n % len(NAMES)]), n)) for n in range(256)]
    document = run(client, files, ["resize", "64x48"], output="jpg")
    assert document["counts"]["completed"] == document["total"] == 256
    for number in (0, 99, 255):
        (picture,) = pictures_of(client, document, number)
        expected = open_picture(files[number][1]).convert("RGB").resize((64, 48))
        assert difference(picture, expected) < 12, "each file has its own picture"
    with ZipFile(io.BytesIO(fetch(client, document["zip_url"]))) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 512
    after = service.status()
    assert after["total_requests"] - before["total_requests"] == 256
    wait_until(lambda: service.status()["queue_size"] == 0, what="an empty queue")
