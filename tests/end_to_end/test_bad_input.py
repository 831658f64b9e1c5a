import struct
import time
import zlib
from typing import Any

import httpx
import pytest

from tests.end_to_end.service import Service, photo

LIMIT = 20 * 1024 * 1024


def png_header_only(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


GOOD = {"image": ("a.jpg", photo())}
VAST = {"image": ("a.png", png_header_only(65535, 65535))}
RAW = {"Content-Type": "image/jpeg"}
NO_BOUNDARY = {"Content-Type": "multipart/form-data"}
BAD_REQUESTS: list[tuple[str, dict[str, Any], int, str]] = [
    ("empty raw body", {"content": b"", "headers": RAW}, 422, "empty_file"),
    ("empty file", {"files": {"image": ("a.jpg", b"")}}, 422, "empty_file"),
    ("no image part", {"files": {"picture": ("a.jpg", photo())}}, 422, "missing_field"),
    ("extra part", {"files": {**GOOD, "x": ("x", b"")}}, 400, "unknown_field"),
    ("image as text", {"files": {"image": (None, b"text")}}, 422, "wrong_field_kind"),
    ("text", {"files": {"image": ("a.jpg", b"just words")}}, 415, "unsupported_image_type"),
    ("a vast PNG", {"files": VAST}, 422, "image_too_large"),
    ("JSON body", {"json": {"image": "x"}}, 415, "unsupported_media_type"),
    ("unknown pipeline", {"files": GOOD, "data": {"pipeline": "no"}}, 404, "unknown_pipeline"),
    ("params no JSON", {"files": GOOD, "data": {"params": "{"}}, 422, "invalid_params"),
    ("cache perhaps", {"files": GOOD, "data": {"cache": "perhaps"}}, 422, "invalid_value"),
    ("unknown query", {"params": {"x": "1"}, "files": GOOD}, 400, "unknown_field"),
    ("no boundary", {"content": b"x", "headers": NO_BOUNDARY}, 400, "malformed_multipart"),
]


def check_problem(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "code", "detail", "request_id"}
    assert (problem["status"], problem["code"]) == (status, code)
    assert "Traceback" not in response.text


@pytest.mark.parametrize("path", ["/predict_async", "/predict"])
@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [row[1:] for row in BAD_REQUESTS],
    ids=[row[0] for row in BAD_REQUESTS],
)
def test_bad_input_is_refused_at_once(
    client: httpx.Client, path: str, arguments: dict[str, Any], status: int, code: str
) -> None:
    started = time.monotonic()
    check_problem(client.post(path, **arguments), status, code)
    assert time.monotonic() - started < 2


def test_twenty_mebibytes_are_taken_and_one_byte_more_is_not(client: httpx.Client) -> None:
    headers = {"Content-Type": "image/jpeg"}
    full = photo() + bytes(LIMIT - len(photo()))
    assert client.post("/predict_async", content=full, headers=headers).status_code in (200, 202)
    response = client.post("/predict_async", content=full + b"\0", headers=headers)
    check_problem(response, 413, "payload_too_large")
    form = client.post("/predict_async", files={"image": ("a.jpg", full + b"\0")})
    check_problem(form, 413, "payload_too_large")


def test_a_long_body_without_a_length_is_cut_off(client: httpx.Client) -> None:
    chunks = (bytes(65536) for _ in range(LIMIT // 65536 + 2))
    response = client.post("/predict_async", content=chunks, headers={"Content-Type": "image/jpeg"})
    check_problem(response, 413, "payload_too_large")


def test_unknown_ids_paths_and_methods_are_told(client: httpx.Client) -> None:
    check_problem(client.get("/result/no-such-job"), 404, "not_found")
    check_problem(client.get("/nowhere"), 404, "not_found")
    check_problem(client.get("/predict_async"), 405, "method_not_allowed")
    check_problem(client.get("/result/x", params={"wait": "soon"}), 422, "invalid_value")


def test_nothing_of_a_refused_request_is_kept_and_the_service_goes_on(
    service: Service, client: httpx.Client
) -> None:
    before = service.status()
    for _, arguments, _, _ in BAD_REQUESTS:
        client.post("/predict_async", **arguments)
    after = service.status()
    assert after["stored_results"] == before["stored_results"]
    assert after["total_requests"] == before["total_requests"]
    assert client.post("/predict", files={"image": ("a.jpg", photo())}).status_code == 200


async def test_a_client_that_is_still_sending_sees_the_refusal(service: Service) -> None:
    body = bytes(LIMIT + 1)
    async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        for _ in range(5):
            response = await client.post(
                "/predict_async", content=body, headers={"Content-Type": "image/jpeg"}
            )
            check_problem(response, 413, "payload_too_large")


def test_every_refusal_is_counted(service: Service, client: httpx.Client) -> None:
    def refused() -> float:
        lines = client.get("/metrics").text.splitlines()
        counts = [line for line in lines if line.startswith('dispatcher_jobs_total{outcome="ref')]
        return sum(float(line.rsplit(" ", 1)[1]) for line in counts)

    before = refused()
    for _, arguments, _, _ in BAD_REQUESTS:
        client.post("/predict_async", **arguments)
    assert refused() - before == len(BAD_REQUESTS)
