"""File names that are no names: shown without harm, and never used as a path (row C43)."""

import json

import httpx
import pytest

from tests.dispatcher.forms import CONTENT_TYPE, Part, form, text
from tests.end_to_end.service import Service
from tests.hostile import jpegs
from tests.hostile.wire import send

NAMES = {
    "a way up": b"../../etc/passwd",
    "a drive": b"C:\\\\x",
    "a share": b"\\\\\\\\host\\\\share",
    "an absolute path": b"/abs",
    "NUL": b"a\0.png",
    "percent signs": b"%2e%2e%2f",
    "4,096 characters": b"a" * 4_000 + b".jpg",
    "an emoji": "🐨.jpg".encode(),
    "right to left": "a\u202egpj.exe".encode(),
    "a lone surrogate": b"\xed\xa0\x80.jpg",
    "a tag": b"<img src=x onerror=alert(1)>",
    "a device": b"CON",
    "a hidden file": b".htaccess",
    "nothing": b"",
    "dots": b"....",
    "a new line for the log": b"a%0d%0aevent: accepted",
}
BOTH = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
CONTROLS = {chr(code) for code in (*range(32), 127, 0x202E)}
LONGEST = 255


def part(field: str, name: bytes) -> Part:
    disposition = f'form-data; name="{field}"; filename="'.encode() + name + b'"'
    return Part(disposition=disposition, data=jpegs.plain())


@BOTH
def test_an_image_is_taken_whatever_its_name(
    service: Service, client: httpx.Client, name: bytes
) -> None:
    answer = send(
        f"{service.url}/predict_async",
        form(part("image", name)),
        headers=[(b"Content-Type", CONTENT_TYPE)],
    )
    assert answer.status in (200, 202), answer.body
    job_id = answer.document()["request_id"]
    shown = client.get(f"/result/{job_id}", params={"wait": 20}).json()["filename"]
    assert len(shown) <= LONGEST
    assert not CONTROLS & set(shown)


@BOTH
def test_the_pictures_of_a_batch_have_names_that_are_safe(
    service: Service, client: httpx.Client, name: bytes
) -> None:
    actions = text("actions", json.dumps({"operations": [["resize", "8x8"]]}))
    answer = send(
        f"{service.url}/process",
        form(actions, part("files", name)),
        headers=[(b"Content-Type", CONTENT_TYPE)],
    )
    assert answer.status == 202, answer.body
    url = f"/batch/{answer.document()['batch_id']}"
    (file,) = client.get(url, params={"wait": 20}).json()["requests"]
    assert file["status"] == "completed"
    for address in (file["sent"], *file["outputs"]):
        picture = client.get(address)
        assert picture.status_code == 200
        assert picture.headers["content-type"].startswith("image/")
        assert picture.headers["x-content-type-options"] == "nosniff"
        stored = address.rsplit("/", 1)[1]
        assert stored.strip(".")
        assert ".." not in stored


def test_no_name_has_left_a_line_of_its_own_in_the_log(service: Service) -> None:
    lines = service.stderr_path.read_bytes().splitlines()
    assert not [line for line in lines if line.startswith(b"event:")]


def test_no_name_has_become_a_file(service: Service) -> None:
    places = {path.name for path in service.data_dir.rglob("*")}
    assert not places & {"passwd", "x", "share", "abs", ".htaccess", "CON"}
