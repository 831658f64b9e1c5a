"""The queue from a command line, while a service runs and while none does."""

import contextlib
import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.durability.dispatcher_process import POOLS, DispatcherProcess, stage
from tests.end_to_end.queue_command import QueueCommand
from tests.end_to_end.service import PROJECT, distinct, photo, wait_until

SENT = 12


@pytest.fixture
def dispatcher(tmp_path: Path) -> Iterator[DispatcherProcess]:
    """A service whose replica takes long, so that jobs wait."""
    options = ("--delay-s", "600", "--max-batch-size", "1")
    with stage(tmp_path, "--queue", "memory", options=options) as (started, _):
        started.start()
        started.wait_ready(pools=POOLS)
        yield started


@pytest.fixture
def queue(dispatcher: DispatcherProcess) -> QueueCommand:
    return QueueCommand(("--data-dir", str(dispatcher.data_dir), "--queue", "memory"))


def send(dispatcher: DispatcherProcess, count: int = SENT) -> list[str]:
    """Send different images; return the ids of their jobs."""
    with httpx.Client(base_url=dispatcher.url) as client:
        tickets = [
            client.post(
                "/predict_async",
                params={"pipeline": "oracle"},
                headers={"Content-Type": "image/jpeg"},
                content=distinct(photo(), number),
            ).raise_for_status()
            for number in range(count)
        ]
    return [ticket.json()["request_id"] for ticket in tickets]


def states(dispatcher: DispatcherProcess) -> list[str]:
    listed = httpx.get(f"{dispatcher.url}/results", params={"limit": 500}).json()["results"]
    return sorted(job["status"] for job in listed)


def test_jobs_that_wait_are_seen_and_cancelled_and_those_in_work_go_on(
    dispatcher: DispatcherProcess, queue: QueueCommand
) -> None:
    send(dispatcher)
    wait_until(lambda: "processing" in states(dispatcher))
    seen = queue.status()
    assert seen["waiting"] + seen["in_work"] == SENT
    assert seen["waiting"] > 0
    drawn = queue.run("status")
    assert f"the service at {dispatcher.url}" in drawn.said
    assert f"{seen['waiting']} of {seen['capacity']}" in drawn.said
    refused = queue.run("purge")
    assert (refused.status, "--yes" in refused.complained) == (1, True)
    assert queue.status()["waiting"] == seen["waiting"], "nobody has agreed"
    assert queue.run("purge", "--yes").said == f"{seen['waiting']} cancelled\n"
    assert queue.status()["waiting"] == 0
    working = seen["in_work"]
    assert states(dispatcher) == ["cancelled"] * (SENT - working) + ["processing"] * working


def test_a_queue_is_watched_without_a_terminal_until_ctrl_c(
    dispatcher: DispatcherProcess, queue: QueueCommand
) -> None:
    send(dispatcher, 1)
    command = queue.command("monitor", "--json", "--interval", "0.2")
    watching = subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watching.stdout is not None
    lines = [json.loads(watching.stdout.readline()) for _ in range(2)]
    watching.send_signal(signal.SIGINT)
    _, complained = watching.communicate(timeout=20)
    assert (watching.returncode, complained) == (130, "")
    assert lines[1]["at"] > lines[0]["at"]
    assert lines[1]["waiting"] + lines[1]["in_work"] == 1


def test_a_terminal_is_drawn_on_and_left_as_it_was(
    dispatcher: DispatcherProcess, queue: QueueCommand
) -> None:
    mine, theirs = pty.openpty()
    watching = subprocess.Popen(
        queue.command("monitor", "--interval", "0.2"),
        cwd=PROJECT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen, is_told = b"", False
    with contextlib.suppress(OSError):  # the terminal's end, on Linux
        while part := os.read(mine, 65536):
            seen += part
            if seen.count(b"Ctrl-C ends") >= 2 and not is_told:
                watching.send_signal(signal.SIGINT)
                is_told = True
    os.close(mine)
    assert watching.wait(timeout=20) == 130
    assert b"Traceback" not in seen
    assert b"\x1b[?25h" in seen.rpartition(b"Ctrl-C ends")[2], "the cursor is there again"


def test_what_is_kept_is_purged_while_nothing_runs(tmp_path: Path) -> None:
    options = ("--delay-s", "600", "--max-batch-size", "1")
    with stage(tmp_path, "--queue", "sqlite", options=options) as (dispatcher, _):
        dispatcher.start()
        dispatcher.wait_ready(pools=POOLS)
        send(dispatcher)
        dispatcher.kill()
        queue = QueueCommand(("--data-dir", str(dispatcher.data_dir), "--port", "1"))
        assert queue.status()["waiting"] == SENT, "leases end with their process"
        purged = queue.run("purge", "--yes")
        assert (purged.status, purged.said) == (0, f"{SENT} cancelled\n")
        dispatcher.start()
        dispatcher.wait_ready(pools=POOLS)
        assert states(dispatcher) == ["cancelled"] * SENT
        dispatcher.stop()


def test_where_there_is_nothing_a_command_says_so(tmp_path: Path) -> None:
    flags = ("--data-dir", str(tmp_path / "data"), "--port", "1")
    for arguments in (("purge", "--yes"), ("monitor",)):
        ran = QueueCommand(flags).run(*arguments)
        assert (ran.status, ran.said) == (1, "")
        assert ran.complained.startswith("error: no service runs, and ")
