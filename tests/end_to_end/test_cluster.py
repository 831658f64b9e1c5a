"""``./setup.sh cluster``: a whole cluster on one machine, and nothing of it left afterwards."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from dispatcher.operations.cluster.state import ClusterState, read_state
from tests.end_to_end.queue_command import QueueCommand
from tests.end_to_end.service import PROJECT, is_gone, photo, wait_until

STARTED_WITHIN_S = 150
MEMBERS = {"epmd", "rabbitmq", "redis", "worker-1", "worker-2", "api"}
GRAYSCALE = '{"operations": [["grayscale", true]], "output": "png"}'


@dataclass(frozen=True)
class RunningCluster:
    """A cluster in a folder, and the process that it ends with."""

    folder: Path
    process: "subprocess.Popen[bytes]"

    def state(self) -> ClusterState:
        state = read_state(self.folder)
        assert state is not None, self.said()
        return state

    def said(self) -> str:
        return (self.folder.parent / "said").read_text()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def is_ready(self, restarts: int = 0) -> bool:
        assert self.process.poll() is None, self.said()
        state = read_state(self.folder)
        return state is not None and (state.phase, state.restarts) == ("ready", restarts)

    def work(self) -> None:
        """Have one picture made."""
        with httpx.Client(base_url=self.state().url, timeout=30) as client:
            files = {"files": (f"{time.monotonic()}.jpg", photo() + os.urandom(4))}
            sent = client.post("/process", data={"actions": GRAYSCALE}, files=files)
            assert sent.status_code == 202, sent.text
            batch = client.get(sent.json()["status_url"], params={"wait": 30}).json()
            assert batch["counts"]["completed"] == 1, batch


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RunningCluster]:
    if shutil.which("rabbitmq-server") is None or shutil.which("redis-server") is None:
        assert "CI" not in os.environ, "servers are missing: ./setup.sh servers"
        pytest.skip("RabbitMQ or Redis is not installed: ./setup.sh servers")
    folder = tmp_path / "cluster"
    command = [
        *(sys.executable, "-m", "dispatcher", "cluster", "--folder", str(folder)),
        *("--replicas", "0", "--operation-replicas", "1", "--port", "0"),
        *("--data-dir", str(tmp_path / "data")),
    ]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=said, stderr=said)
    started = RunningCluster(folder, process)
    family: list[psutil.Process] = []
    try:
        wait_until(started.is_ready, timeout_s=STARTED_WITHIN_S, what="readiness")
        family = started.family()
        yield started
    finally:
        family += started.family() if process.poll() is None else []
        process.terminate()
        process.wait(timeout=60)
        for left in family:
            if not is_gone([left]):
                left.kill()


def reset(cluster: RunningCluster, *arguments: str) -> str:
    """Run ``reset`` on the cluster; return what it said."""
    command = [sys.executable, "-m", "dispatcher", "reset", *arguments]
    folder = ("--folder", str(cluster.folder))
    return subprocess.run(
        [*command, *folder], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.timeout(300)
def test_a_cluster_works_heals_is_looked_at_and_leaves_nothing_behind(
    cluster: RunningCluster, is_long: bool
) -> None:
    state = cluster.state()
    assert set(state.members) == MEMBERS
    cluster.work()
    os.kill(state.members["worker-1"], signal.SIGKILL)
    cluster.work()
    wait_until(
        lambda: cluster.state().members.get("worker-1") not in (None, state.members["worker-1"])
    )
    queue = QueueCommand(("--url", state.url))
    assert queue.status()["backend"] == "rabbitmq"
    # What the killed worker had counts as its own until its lease has ended.
    wait_until(lambda: not (queue.status()["waiting"] or queue.status()["in_work"]))
    assert "BAD" not in reset(cluster, "check")
    if is_long:
        assert "ready on" in reset(cluster, "restart", "--yes")
        assert cluster.is_ready(restarts=1)
        assert cluster.state().url == state.url
        cluster.work()
    family = cluster.family()
    assert len(family) >= len(MEMBERS)
    cluster.process.send_signal(signal.SIGINT)
    assert cluster.process.wait(timeout=60) == 0
    wait_until(lambda: is_gone(family), what="the end of all processes")
    assert read_state(cluster.folder) is None
    said = [line for line in cluster.said().splitlines() if not line.startswith("{")]
    assert said[said.index("Ending, in order") + 1 :] == [
        "api ends",
        "worker-2 ends",
        "worker-1 ends",
        "steps end",
        "redis ends",
        "rabbitmq ends",
        "epmd ends",
    ]
