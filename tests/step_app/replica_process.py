"""A replica as it really runs: ``python -m step_app``, a child process on a free port."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.ports import free_port
from tests.step_app.conftest import CLASSIFIER_PARAMS, THREADS
from tests.step_app.pictures import REPOSITORY

_READY_WITHIN_S = 60
_ENDS_WITHIN_S = 30
_OWN_VARIABLES = (
    "PIPELINE_CONFIG",
    "EXIT_WITH_PARENT",
    "MODEL_CACHE_DIR",
    "MAX_BATCH_SIZE",
    "RECORDS_DIR",
)


@dataclass(frozen=True, slots=True)
class ReplicaProcess:
    """One child process and how to talk to it."""

    popen: "subprocess.Popen[bytes]"
    url: str
    stderr: Path

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, trust_env=False, timeout=30)

    def wait_until_ready(self) -> None:
        self.wait_until("/readyz", lambda answer: answer.status_code == 200)

    def wait_until(self, path: str, condition: Any) -> None:
        """Ask one question again and again until the answer is the one that is waited for."""
        deadline = time.monotonic() + _READY_WITHIN_S
        with self.client() as client:
            while time.monotonic() < deadline:
                assert self.popen.poll() is None, self.complaint()
                try:
                    if condition(client.get(path)):
                        return
                except httpx.TransportError:
                    pass  # it does not listen yet
                time.sleep(0.02)
        raise AssertionError(f"{path}: not within {_READY_WITHIN_S} s\n{self.complaint()}")

    def wait_for_exit(self) -> int:
        return self.popen.wait(timeout=_ENDS_WITHIN_S)

    def family(self) -> list[psutil.Process]:
        """Return the process and all that it has started."""
        own = psutil.Process(self.popen.pid)
        return [own, *own.children(recursive=True)]

    def complaint(self) -> str:
        return self.stderr.read_text()


def pipeline(params: Mapping[str, Any] | None = None, *, step_type: str = "classifier") -> str:
    """Return a PIPELINE_CONFIG with one step, by default the shared model."""
    step = {"id": 0, "type": step_type, "params": CLASSIFIER_PARAMS if params is None else params}
    return json.dumps({"pipeline_id": "p", "step_id": 0, "steps": [step]})


@contextmanager
def replica_process(folder: Path, **environment: str) -> Iterator[ReplicaProcess]:
    """Start a replica; whatever happens, it and all that it started are gone afterwards."""
    inherited = {k: v for k, v in os.environ.items() if k not in _OWN_VARIABLES}
    port = free_port()
    told = {
        "SERVICE_HOST": "127.0.0.1",
        "SERVICE_PORT": str(port),
        "STEP_THREADS": str(THREADS),
        "PIPELINE_CONFIG": pipeline(),
        **environment,
    }
    stderr = folder / f"stderr-{port}"
    with stderr.open("wb") as errors:
        popen = subprocess.Popen(
            [sys.executable, "-m", "step_app"],
            cwd=REPOSITORY,
            env={**inherited, **told},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    replica = ReplicaProcess(popen, f"http://127.0.0.1:{port}", stderr)
    try:
        yield replica
    finally:
        _end(replica)


def _end(replica: ReplicaProcess) -> None:
    left = replica.family() if replica.popen.poll() is None else []
    for process in left:
        if process.is_running():
            process.kill()
    if replica.popen.stdin is not None:
        replica.popen.stdin.close()
    replica.popen.wait(timeout=_ENDS_WITHIN_S)
