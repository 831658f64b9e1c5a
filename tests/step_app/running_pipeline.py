"""Real replicas on free ports that find each other by records in a folder."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import uvicorn
import yaml

from step_app.app import create_app
from step_app.replica import Replica
from step_app.settings import Settings, StepConfig

_READY_WITHIN_S = 30
PIPELINE_ID = "p"


@dataclass(frozen=True, slots=True)
class RunningPipeline:
    """Replicas of the steps of one pipeline, one each, and their records."""

    records: Path
    steps: Sequence[Mapping[str, Any]]
    urls: Mapping[str, str]

    def process(self, image: bytes, *, step_id: str = "0", **headers: str) -> httpx.Response:
        """Send an image to a step, by default to the first."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask(f"{self.urls[step_id]}/process", image, named)

    def metrics(self, step_id: str) -> list[str]:
        """Return the lines of a replica's metrics."""
        return httpx.get(f"{self.urls[step_id]}/metrics", trust_env=False).text.splitlines()

    def put_record(self, step_id: str, *urls: str) -> None:
        """Say where the replicas of a step are."""
        config = {
            "pipeline_id": PIPELINE_ID,
            "step_id": step_id,
            "steps": [dict(step) for step in self.steps],
            "endpoints": list(urls),
        }
        labels = {"app": "nn-service", "pipeline_id": PIPELINE_ID, "step_id": step_id}
        document = {
            "metadata": {"name": f"p-step-{step_id}", "labels": labels},
            "data": {"PIPELINE_CONFIG": yaml.safe_dump(config)},
        }
        staging = self.records / f".{step_id}.tmp"
        staging.write_text(yaml.safe_dump(document))
        staging.rename(self._record(step_id))

    def remove_record(self, step_id: str) -> None:
        """Make a step inactive."""
        self._record(step_id).unlink()

    def _record(self, step_id: str) -> Path:
        return self.records / f"p-step-{step_id}.yaml"


def ask(url: str, image: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
    return httpx.post(url, content=image, headers=headers, trust_env=False, timeout=30)


def step(
    step_type: str, params: Mapping[str, Any] | None = None, *, preferred_next: int | None = None
) -> dict[str, Any]:
    """Return a step without its place in the pipeline."""
    return {"type": step_type, "params": params or {}, "preferred_next": preferred_next}


@contextmanager
def running(
    records: Path,
    *steps: Mapping[str, Any],
    absent: Sequence[Mapping[str, Any]] = (),
    settings: Settings | None = None,
) -> Iterator[RunningPipeline]:
    """Run a replica of each step, all in this process, and write their records.

    Steps that are absent belong to the pipeline, behind the others, but nobody runs them.
    """
    numbered = [{"id": number, **document} for number, document in enumerate((*steps, *absent))]
    told = (settings or Settings(step_threads=1)).model_copy(update={"records_dir": records})
    with ExitStack() as stack:
        replicas = {}
        for document in numbered[: len(steps)]:
            step_id = str(document["id"])
            config = StepConfig(
                PIPELINE_ID, step_id, document["type"], document["params"], numbered
            )
            replicas[step_id] = stack.enter_context(serving(Replica(config, told)))
        urls = {step_id: replica.url for step_id, replica in replicas.items()}
        pipeline = RunningPipeline(records, numbered, urls)
        for step_id, url in urls.items():
            wait_until_ready(url)
            pipeline.put_record(step_id, url)
        try:
            yield pipeline
        finally:
            for replica in replicas.values():
                replica.stop()  # all at once: each takes a moment to end


@dataclass(frozen=True, slots=True)
class ServedReplica:
    """A replica in this process."""

    url: str
    stop: Callable[[], None]


@contextmanager
def serving(replica: Replica) -> Iterator[ServedReplica]:
    """Serve one replica on a port and a thread of its own."""
    server: uvicorn.Server

    def stop() -> None:
        server.should_exit = True

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            create_app(replica, on_failure=stop), loop="asyncio", log_config=None, access_log=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield ServedReplica(f"http://127.0.0.1:{listener.getsockname()[1]}", stop)
        finally:
            stop()
            thread.join(timeout=_READY_WITHIN_S)
        assert not thread.is_alive(), "the replica does not end"


def wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < deadline:
            try:
                if client.get(f"{url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            time.sleep(0.005)
    raise AssertionError(f"{url} is not ready within {_READY_WITHIN_S} s")


Answer = Callable[[BaseHTTPRequestHandler, bytes], None]
"""Answers one request, whose body it is given."""


@contextmanager
def pretending(answer: Answer) -> Iterator[str]:
    """Serve a step that does to each request what a function does, and give its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def answering(
    status: int, media_type: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Answer:
    """Return what gives this one answer to everybody."""

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(status)
        sent = {"Content-Type": media_type, "Content-Length": str(len(body)), **(headers or {})}
        for name, value in sent.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@contextmanager
def closed_port() -> Iterator[str]:
    """Give the URL of a port on which nobody listens, and nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
