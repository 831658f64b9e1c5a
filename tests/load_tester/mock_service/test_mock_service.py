"""The mock service keeps its word, or nothing that is measured against it means anything."""

import json
import time
import zlib
from dataclasses import replace
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.load_tester.mock_service.process import running_mock
from tests.load_tester.mock_service.script import Dice, Script
from tests.load_tester.mock_service.truth import Fault


class Client:
    """Somebody else's HTTP client, one call at a time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = HTTPConnection(parts.hostname, parts.port, timeout=10)

    def call(
        self, method: str, path: str, body: bytes | None = None
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        self._connection.request(method, path, body, headers={"X-Filename": "drum.jpg"})
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read()), dict(answer.getheaders())

    def close(self) -> None:
        self._connection.close()


def test_a_held_look_is_answered_when_the_job_is_done() -> None:
    body = bytes(range(256)) * 2000
    with running_mock(Script(service_s=0.03, check_bodies=True)) as mock:
        client = Client(mock.url)
        sent_s = time.monotonic()
        status, ticket, _ = client.call("POST", "/predict_async", body)
        assert (status, ticket["from_cache"]) == (202, False)
        status, result, _ = client.call("GET", f"/result/{ticket['request_id']}?wait=20")
        seen_s = time.monotonic()
        client.close()
        (job,) = mock.tell().jobs
    assert status == 200
    assert (result["status"], result["filename"]) == ("completed", "drum.jpg")
    assert result["result"]["predictions"][0] == "drum"
    assert (job.size_bytes, job.crc32, job.looks) == (len(body), zlib.crc32(body), 1)
    assert job.done_s is not None
    assert sent_s < job.began_s < job.arrived_s < job.arrived_s + 0.03 <= job.done_s < seen_s


def test_a_look_that_is_not_held_is_answered_at_once() -> None:
    with running_mock(Script(service_s=0.2, hold=False)) as mock:
        client = Client(mock.url)
        _, ticket, _ = client.call("POST", "/predict_async", b"image")
        statuses: list[int] = []
        while not statuses or statuses[-1] == 202:
            statuses.append(client.call("GET", f"/result/{ticket['request_id']}?wait=20")[0])
        client.close()
        (job,) = mock.tell().jobs
    assert statuses[-1] == 200
    assert len(statuses) == job.looks > 1


def test_a_look_gives_up_when_it_asked_for_less_than_the_work_takes() -> None:
    with running_mock(Script(service_s=60)) as mock:
        client = Client(mock.url)
        _, ticket, _ = client.call("POST", "/predict_async", b"image")
        status, answer, _ = client.call("GET", f"/result/{ticket['request_id']}?wait=0.05")
        client.close()
    assert (status, answer["status"]) == (202, "processing")


@pytest.mark.parametrize(
    ("script", "fault", "upload_status", "result_status"),
    [
        (Script(errors=1), Fault.ERROR, 500, None),
        (Script(service_s=0, lost=1), Fault.LOST, 202, 404),
        (Script(service_s=0, wrong_labels=1), Fault.WRONG_LABEL, 202, 200),
    ],
)
def test_faults_are_done_and_told(
    script: Script, fault: Fault, upload_status: int, result_status: int | None
) -> None:
    with running_mock(script) as mock:
        client = Client(mock.url)
        status, ticket, _ = client.call("POST", "/predict_async", b"image")
        assert status == upload_status
        if result_status is not None:
            status, result, _ = client.call("GET", f"/result/{ticket['request_id']}?wait=20")
            assert status == result_status
            assert result.get("result", {}).get("predictions", [""])[0] != "drum"
        client.close()
        assert mock.tell().faults() == {fault: 1}


def test_a_ticket_given_twice_is_one_that_was_given_before() -> None:
    with running_mock(Script(service_s=0, twice=0.5, seed=1)) as mock:
        client = Client(mock.url)
        tickets = [
            client.call("POST", "/predict_async", b"image")[1]["request_id"] for _ in range(40)
        ]
        client.close()
        truth = mock.tell()
    repeated = [n for n, ticket in enumerate(tickets) if ticket in tickets[:n]]
    assert repeated == [n for n, job in enumerate(truth.jobs) if job.fault is Fault.TWICE]
    assert max(map(tickets.count, tickets)) == 2
    assert len(repeated) > 5


def test_a_replica_answers_with_the_result_and_its_time() -> None:
    with running_mock(Script(service_s=0.02)) as mock:
        client = Client(mock.url)
        status, result, headers = client.call("POST", "/process", b"image")
        client.close()
    assert (status, result["predictions"][0]) == (200, "drum")
    assert float(headers["X-Step-0-Time"]) == pytest.approx(0.02)


def test_one_worker_takes_one_job_after_the_other() -> None:
    with running_mock(Script(service_s=0.02, workers=1)) as mock:
        client = Client(mock.url)
        ticket = [client.call("POST", "/predict_async", b"image")[1] for _ in range(5)][-1]
        result = client.call("GET", f"/result/{ticket['request_id']}?wait=20")[1]
        client.close()
        jobs = mock.tell().jobs
    ends_s = [job.done_s for job in jobs if job.done_s is not None]
    assert len(ends_s) == 5
    assert ends_s[4] - jobs[0].arrived_s >= 0.1
    began_s = free_s = 0.0
    for job in jobs:
        began_s = max(job.arrived_s, free_s)
        free_s = began_s + 0.02
    assert result["queue_time"] == pytest.approx(began_s - jobs[4].arrived_s, abs=1e-4)


def test_it_freezes_once_when_told_to() -> None:
    with running_mock(Script(service_s=0, freeze_after_s=0.01, freeze_s=0.1)) as mock:
        client = Client(mock.url)
        client.call("POST", "/predict_async", b"image")
        while (truth := mock.tell()).thawed_s is None:
            pass
        client.close()
    assert truth.frozen_s is not None
    assert truth.frozen_s >= truth.jobs[0].arrived_s + 0.009
    assert truth.thawed_s - truth.frozen_s >= 0.1


def test_faults_stay_where_they_are_when_the_times_change() -> None:
    def draw(script: Script) -> tuple[list[Fault], list[float]]:
        dice = Dice(script)
        return [dice.draw_fault() for _ in range(1000)], [
            dice.draw_service_s() for _ in range(1000)
        ]

    script = Script(seed=3, errors=0.05, wrong_labels=0.02, lost=0.01, twice=0.01)
    faults, fixed_s = draw(script)
    same_faults, spread_s = draw(replace(script, spread=0.5))
    assert faults == same_faults
    assert set(fixed_s) == {0.05}
    assert sorted(spread_s)[500] == pytest.approx(0.05, rel=0.1)
    assert 30 < faults.count(Fault.ERROR) < 75
    assert draw(replace(script, seed=4))[0] != faults
