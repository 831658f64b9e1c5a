import asyncio
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
import pytest

from dispatcher.pipelines.model import StepKey
from dispatcher.topology.configmap import StepRecord, parse
from dispatcher.topology.records import RecordDirectory
from tests.end_to_end.load import Log, ask_until
from tests.end_to_end.service import Service, distinct, is_gone, photo, running, wait_until


@pytest.fixture
def own(data_dir: Path) -> Iterator[Service]:
    """A service that a test may hurt."""
    with running(data_dir, "--replicas", "2", "--operation-replicas", "0") as started:
        yield started


async def hurt_under_load(own: Service, number: signal.Signals) -> tuple[Log, psutil.Process]:
    """Send a signal to one replica while clients are asking; go on until it was replaced."""
    victim = own.replicas()[0]
    before = set(own.replicas())
    address = f"127.0.0.1:{victim.environ()['SERVICE_PORT']}"
    started = time.monotonic()
    is_held = is_hurt = False

    def is_over() -> bool:
        nonlocal is_held, is_hurt
        elapsed_s = time.monotonic() - started
        if elapsed_s > 1 and not is_held:
            victim.send_signal(signal.SIGSTOP)  # so that it has something in work
            is_held = True
        if elapsed_s > 1.5 and not is_hurt and not _is_idle(own, address):
            victim.send_signal(number)
            is_hurt = True
        return is_hurt and elapsed_s > 4 and (_is_replaced(own, before) or elapsed_s > 40)

    log = await ask_until(own.url, is_over)
    return log, victim


def _is_idle(own: Service, address: str) -> bool:
    """Say whether a replica is thought to be well and has nothing to do."""
    (found,) = (r for r in own.status()["replicas"] if r["url"] == f"http://{address}")
    return bool(found["state"] == "ready" and found["ongoing"] == 0)


def _is_replaced(own: Service, before: set[psutil.Process]) -> bool:
    return len(own.replicas()) == len(before) and set(own.replicas()) != before


async def test_kill_9_of_a_replica_under_load_costs_no_client_an_error(own: Service) -> None:
    log, victim = await hurt_under_load(own, signal.SIGKILL)
    assert Counter(document["status"] for document in log.documents) == {
        "completed": len(log.documents)
    }
    assert {document["result"]["predictions"][0] for document in log.documents} == {"koala"}
    assert max(document["attempts"] for document in log.documents) <= 3
    assert any(document["attempts"] > 1 for document in log.documents)
    assert re.search(r"^dispatcher_retries_total\{.*\} [1-9]", _metrics(own), re.MULTILINE)
    assert is_gone([victim])
    await asyncio.to_thread(
        wait_until, lambda: _ready(own) == 2, what="two ready replicas", timeout_s=30
    )


async def test_a_replica_that_hangs_is_left_and_replaced(own: Service) -> None:
    log, victim = await hurt_under_load(own, signal.SIGSTOP)
    assert {document["status"] for document in log.documents} == {"completed"}
    assert is_gone([victim])
    await asyncio.to_thread(
        wait_until, lambda: _ready(own) == 2, what="two ready replicas", timeout_s=30
    )


def _metrics(own: Service) -> str:
    return httpx.get(f"{own.url}/metrics").raise_for_status().text


def _ready(own: Service) -> int:
    return sum(replica["state"] == "ready" for replica in own.status()["replicas"])


class _Garbage(BaseHTTPRequestHandler):
    """A replica that says it is ready and answers every batch with nonsense."""

    answers = 0

    def do_GET(self) -> None:
        self._send(b'{"status": "ready", "revision": "r", "max_batch_size": 8}')

    def do_POST(self) -> None:
        type(self).answers += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send(b"<html>it works</html>")

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def garbage_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Garbage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def write_record(own: Service, pipeline_id: str, *urls: str) -> StepRecord:
    record = StepRecord(
        key=StepKey(pipeline_id, "0"),
        type="classifier",
        steps=({"id": 0, "type": "classifier", "params": {}},),
        endpoints=urls,
    )
    RecordDirectory(own.data_dir / "topology").write(record)
    return record


async def test_replicas_are_found_by_their_record_and_one_that_answers_garbage_is_ejected(
    own: Service, garbage_url: str
) -> None:
    good = own.status()["replicas"][0]["url"]
    write_record(own, "mixed", good, garbage_url)

    def states() -> dict[str, str]:
        replicas = own.status()["replicas"]
        return {r["url"]: r["state"] for r in replicas if r["step"] == "mixed/0"}

    async with httpx.AsyncClient(base_url=own.url, timeout=30) as client:

        async def ask(number: int) -> httpx.Response:
            return await client.post(
                "/predict",
                files={"image": ("k.jpg", distinct(photo(), number))},
                data={"pipeline": "mixed"},
            )

        for number in range(100):
            if (await ask(number)).status_code == 200:
                break
            await asyncio.sleep(0.05)
        responses = await asyncio.gather(*(ask(number) for number in range(100, 160)))
        for number in range(160, 260):
            if states()[garbage_url] == "ejected":
                break
            # It was tried again once its first time was over; the next failure ejects it again.
            responses.append(await ask(number))
        seen = states()
        documents = [response.json() for response in responses]
    assert {document["status"] for document in documents} == {"completed"}
    assert {document["replica_used"] for document in documents} == {good}
    assert seen == {good: "ready", garbage_url: "ejected"}
    assert _Garbage.answers >= 3


def test_a_record_that_is_removed_takes_its_pipeline_with_it(own: Service) -> None:
    record = write_record(own, "short-lived", own.status()["replicas"][0]["url"])
    wait_until(lambda: "short-lived" in own.status()["pipelines"], timeout_s=5)
    RecordDirectory(own.data_dir / "topology").remove(record)
    wait_until(lambda: "short-lived" not in own.status()["pipelines"], timeout_s=5)


def test_a_broken_record_changes_nothing(own: Service) -> None:
    path = own.data_dir / "topology" / "default-step-0.yaml"
    good = path.read_text()
    path.write_text("kind: ConfigMap\ndata: [")
    wait_until(lambda: "is not used" in own.stderr_path.read_text(), timeout_s=5)
    assert own.status()["pipelines"] == ["default"]
    assert httpx.post(f"{own.url}/predict", files={"image": ("k.jpg", photo())}).is_success
    path.write_text(good)


def test_the_record_says_what_runs(own: Service) -> None:
    record = parse((own.data_dir / "topology" / "default-step-0.yaml").read_text())
    assert list(record.endpoints) == [replica["url"] for replica in own.status()["replicas"]]
    assert (record.type, record.replicas) == ("classifier", 2)
    ready = httpx.get(f"{record.endpoints[0]}/readyz").json()
    assert ready["revision"] == record.model_revision
