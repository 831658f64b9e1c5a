"""Everything hostile at the same time, beside clients who behave: they get what they came for."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil

from tests.end_to_end.service import Service, distinct, photo
from tests.hostile.accepted_images import ACCEPTED_IMAGES
from tests.hostile.form_rows import FRAME_ROWS
from tests.hostile.invariants import kept
from tests.hostile.refused_images import REFUSED_IMAGES
from tests.hostile.wire import Answer, send

OCTETS = ((b"Content-Type", b"application/octet-stream"),)
AT_ONCE = 8
GOOD = 40
LONG_TIMES = 10
LONGEST_BODY = 1024 * 1024
GROWS_AT_MOST_BYTES = 256 * 1024 * 1024

Request = tuple[bytes | list[bytes], list[tuple[bytes, bytes]], tuple[int, str]]


def hostile_requests() -> list[Request]:
    """Return every refused image and form that is not long, with the answer that it must get."""
    requests: list[Request] = [
        (image, list(OCTETS), (row.status, row.code))
        for row in REFUSED_IMAGES
        if len(image := row.make()) <= LONGEST_BODY
    ]
    for row in FRAME_ROWS:
        body = list(row.body())
        if sum(map(len, body)) <= LONGEST_BODY:
            headers = [(b"Content-Type", row.content_type), *row.headers]
            requests.append((body, headers, row.answer))
    return requests


def test_good_clients_are_served_beside_everything_hostile(
    service: Service, client: httpx.Client, dispatcher: psutil.Process, seed: int, is_long: bool
) -> None:
    requests = hostile_requests() * (LONG_TIMES if is_long else 1)
    random.Random(seed).shuffle(requests)
    stored, waiting, _ = kept(client)
    before = dispatcher.memory_info().rss
    with ThreadPoolExecutor(AT_ONCE) as hostile, ThreadPoolExecutor(1) as good:
        answers = hostile.map(lambda request: post(service, *request[:2]), requests)
        served = good.submit(serve_good, client, seed)
        for request, answer in zip(requests, answers, strict=True):
            assert (answer.status, answer.code) == request[2], answer.body
        latencies_s = served.result(timeout=100)
    print(f"good clients waited {max(latencies_s):.3f} s at most")  # noqa: T201 - shown on failure
    assert len(latencies_s) == GOOD
    assert kept(client)[:2] == (stored + GOOD, waiting)
    assert dispatcher.memory_info().rss - before <= GROWS_AT_MOST_BYTES


def test_files_that_fail_late_do_not_fail_their_neighbours(
    service: Service, client: httpx.Client, seed: int
) -> None:
    bad = [row.make() for row in ACCEPTED_IMAGES if row.id in ("C03", "C04", "C17", "C18")]
    with ThreadPoolExecutor(AT_ONCE) as hostile:
        sent = hostile.map(lambda image: post(service, image, list(OCTETS)), bad * 3)
        latencies_s = serve_good(client, seed + GOOD)
        assert all(answer.status in (200, 202) for answer in sent)
    assert len(latencies_s) == GOOD


def post(service: Service, body: bytes | list[bytes], headers: list[tuple[bytes, bytes]]) -> Answer:
    return send(f"{service.url}/predict_async", body, headers=headers)


def serve_good(client: httpx.Client, seed: int) -> list[float]:
    """Send photos one after the other; return how long each took to be labelled."""
    latencies_s = []
    for number in range(GOOD):
        started = time.monotonic()
        image = distinct(photo(), seed * GOOD + number)
        answer = client.post("/predict", content=image, headers={"Content-Type": "image/jpeg"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "completed", answer.text
        latencies_s.append(time.monotonic() - started)
    return latencies_s
