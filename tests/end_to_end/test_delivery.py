"""How a client learns of its job: webhook, event stream, and a retry that is safe."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from standardwebhooks.webhooks import Webhook

from tests.durability.dispatcher_process import POOLS, DispatcherProcess, stage
from tests.end_to_end.receiver import Receiver, receiving
from tests.end_to_end.service import Service, distinct, photo, wait_until

AnyService = Service | DispatcherProcess
ALL_EVENTS = [(1, "queued"), (2, "processing"), (3, "completed")]

INSIDE = ("--webhook-allow-http", "--webhook-allow-private")


def send(
    service: AnyService, number: int = 0, *, key: str | None = None, **options: str
) -> httpx.Response:
    headers = {"Content-Type": "image/jpeg"} | ({} if key is None else {"Idempotency-Key": key})
    image = distinct(photo(), number)
    url = f"{service.url}/predict_async"
    return httpx.post(url, content=image, headers=headers, params=options, timeout=30)


def job_of(response: httpx.Response) -> str:
    assert response.status_code == 202, response.text
    return str(response.json()["request_id"])


def result(service: AnyService, job_id: str) -> httpx.Response:
    return httpx.get(f"{service.url}/result/{job_id}?wait=30", timeout=60)


def events(
    service: AnyService, job_id: str, *, last_event_id: int = 0
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Follow a job: number, name and data of each event."""
    headers = {"Last-Event-ID": str(last_event_id)}
    url = f"{service.url}/result/{job_id}/events"
    with httpx.stream("GET", url, headers=headers, timeout=60) as response:
        assert response.status_code == 200
        fields: dict[str, str] = {}
        for line in response.iter_lines():
            name, _, text = line.partition(": ")
            if line:
                fields[name] = text
            elif "data" in fields:
                yield int(fields["id"]), fields["event"], json.loads(fields["data"])
                fields = {}


def check_webhook(receiver: Receiver, service: AnyService, job_id: str, *, index: int = -1) -> None:
    """Fail when a webhook is not the result of its job, signed by its service."""
    headers, body = receiver.requests[index]
    secret = (service.data_dir / "webhook-secret").read_text().strip()
    document = Webhook(secret).verify(body, headers)
    assert headers["webhook-id"] == f"msg_{job_id}"
    assert document["status"] == "completed"
    assert body == result(service, job_id).content


def test_a_client_is_told_by_webhook_and_by_event_and_may_ask_again(tmp_path: Path) -> None:
    with receiving() as receiver, stage(tmp_path, *INSIDE) as (service, _):
        service.start()
        service.wait_ready(pools=POOLS)
        order = partial(send, service, key="k", pipeline="oracle", webhook_url=receiver.url)
        job_id = job_of(order())
        seen = list(events(service, job_id))
        assert [(number, name) for number, name, _ in seen] == ALL_EVENTS
        assert seen[-1][2] == result(service, job_id).json()
        wait_until(lambda: receiver.requests, what="the webhook")
        check_webhook(receiver, service, job_id)
        assert job_of(order()) == job_id
        assert order(1).json()["code"] == "idempotency_key_reused"
        url = f"{service.url}/result/{job_id}/events"
        assert httpx.get(url, headers={"Last-Event-ID": "3"}).status_code == 204
    assert len(receiver.requests) == 1


def test_a_classified_photo_is_followed_to_its_labels(service: Service) -> None:
    seen = list(events(service, job_of(send(service, 76))))
    assert [(number, name) for number, name, _ in seen] == ALL_EVENTS
    assert "koala" in seen[-1][2]["result"]["predictions"][0]


def test_a_hundred_equal_requests_at_once_are_one_job(service: Service) -> None:
    def once(_: int) -> str:
        return job_of(send(service, 77, key="same", cache="false"))

    with ThreadPoolExecutor(20) as threads:
        ids = set(threads.map(once, range(100)))
    assert len(ids) == 1


def test_an_inside_address_is_refused_unless_the_operator_allows_it(service: Service) -> None:
    with receiving() as receiver:
        for url in (receiver.url, receiver.url.replace("http:", "https:")):
            response = send(service, webhook_url=url)
            assert (response.status_code, response.json()["code"]) == (422, "invalid_callback_url")
    assert receiver.requests == []


def test_what_was_promised_before_a_crash_is_kept_after_it(tmp_path: Path) -> None:
    """Killed between a result and its webhook: it arrives, under the same id; keys are kept."""
    with receiving() as receiver, stage(tmp_path, *INSIDE) as (service, _):
        service.start()
        service.wait_ready(pools=POOLS)
        receiver.may_answer.clear()
        order = partial(send, service, key="k", pipeline="oracle", webhook_url=receiver.url)
        job_id = job_of(order())
        wait_until(lambda: receiver.requests, what="the first try")
        service.kill()
        receiver.may_answer.set()
        service.start()
        service.wait_ready(pools=POOLS)
        wait_until(lambda: len(receiver.requests) == 2, what="the second try")
        check_webhook(receiver, service, job_id, index=0)
        check_webhook(receiver, service, job_id, index=1)
        assert job_of(order()) == job_id
        assert [number for number, *_ in events(service, job_id, last_event_id=2)] == [3]
        service.stop()
        service.start()
        service.wait_ready(pools=POOLS)
        assert job_of(order()) == job_id
    assert len(receiver.requests) == 2, "what was delivered is not delivered again"


def test_a_stream_ends_cleanly_with_the_service_and_goes_on_with_the_next(tmp_path: Path) -> None:
    with stage(tmp_path, "--drain-timeout-s", "1") as (service, (replica,)):
        assert replica.process is not None
        service.start()
        service.wait_ready(pools=POOLS)
        replica.process.send_signal(signal.SIGSTOP)
        job_id = job_of(send(service, pipeline="oracle"))
        following = events(service, job_id)
        seen = [next(following)[0], next(following)[0]]
        with ThreadPoolExecutor() as threads:
            stopping = threads.submit(service.stop)
            seen += [number for number, *_ in following]  # raises when it breaks off
            assert stopping.result() == 0
        assert seen == [1, 2]
        assert "ASGI" not in service.tail()
        replica.process.send_signal(signal.SIGCONT)
        service.start()
        service.wait_ready(pools=POOLS)
        resumed = list(events(service, job_id, last_event_id=2))
        assert [(number, name) for number, name, _ in resumed] == [(3, "completed")]
