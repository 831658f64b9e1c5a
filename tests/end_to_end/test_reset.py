"""``./setup.sh reset`` on what really runs on one machine: a service, and nothing at all."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.durability.dispatcher_process import POOLS, stage
from tests.end_to_end.service import PROJECT, wait_until


def command(folder: Path, *arguments: str) -> list[str]:
    """A command that looks nowhere else."""
    return [
        *(sys.executable, "-m", "dispatcher", "reset", *arguments),
        *("--data-dir", str(folder / "data"), "--folder", str(folder / "no-cluster")),
    ]


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        command(folder, *arguments),
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_service_is_looked_at_purged_and_restarted_where_its_operator_is(tmp_path: Path) -> None:
    with stage(tmp_path, "--queue", "sqlite") as (dispatcher, _):
        dispatcher.start()
        dispatcher.wait_ready(pools=POOLS)
        status, said, _ = run(tmp_path, "check")
        assert status == 0
        assert re.search(rf"ok +dispatcher +ready, {dispatcher.url}", said)
        assert "failed jobs kept: 0" in said
        assert run(tmp_path, "purge", "--yes")[0] == 0
        status, _, complained = run(tmp_path, "restart")
        assert (status, "Say --yes" in complained) == (1, True)
        assert not dispatcher.has_died(), "nobody has agreed"
        restarted = subprocess.Popen(
            command(tmp_path, "restart", "--yes"),
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            wait_until(dispatcher.has_died)
            wait_until(lambda: is_up(dispatcher.url))
            status, said, _ = run(tmp_path, "check")
            assert (status, dispatcher.url in said) == (0, True)
        finally:
            restarted.terminate()
            said, _ = restarted.communicate(timeout=40)
        assert restarted.returncode == 0
        assert "to finish what it has in hand" in said
        assert f"ready on {dispatcher.url}" in said, "it has become the service"


def test_a_menu_asks_again_until_somebody_leaves(tmp_path: Path) -> None:
    mine, theirs = pty.openpty()
    asking = subprocess.Popen(
        command(tmp_path), cwd=PROJECT, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        seen = read_until(mine, b"> ")
        assert b"2) purge: cancel the jobs that wait" in seen
        os.write(mine, b"1\n")
        assert b"error: nothing of Conveyor runs here" in read_until(mine, b"> ")
        os.write(mine, b"q\n")
        assert asking.wait(timeout=20) == 0
    finally:
        if asking.poll() is None:
            asking.send_signal(signal.SIGKILL)
            asking.wait()
        os.close(mine)


def read_until(terminal: int, end: bytes) -> bytes:
    seen = b""
    ends_at = time.monotonic() + 30
    while not seen.endswith(end):
        assert time.monotonic() < ends_at, seen
        seen += os.read(terminal, 4096)
    return seen


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False
