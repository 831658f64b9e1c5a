"""A real dispatcher with real replicas, on free ports, in a folder of its own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

PROJECT = Path(__file__).resolve().parents[2]
IMAGES = PROJECT / "images"
START_TIMEOUT_S = 90.0
ENDS_WITHIN_S = 40.0


@dataclass
class Service:
    """A dispatcher process and what it prints."""

    process: subprocess.Popen[str]
    url: str
    data_dir: Path
    stderr_path: Path
    ready_after_s: float
    family: list[psutil.Process] = field(default_factory=list)

    def replicas(self) -> list[psutil.Process]:
        """Return the replica processes that run now."""
        return [child for child in psutil.Process(self.process.pid).children() if _is_step(child)]

    def status(self) -> dict[str, Any]:
        """Return the document of /status."""
        document: dict[str, Any] = httpx.get(f"{self.url}/status").raise_for_status().json()
        return document

    def stop(self, number: signal.Signals = signal.SIGTERM, *, timeout_s: float = 60) -> int:
        """Send a signal and return the exit status."""
        self.family = self.replicas()
        self.process.send_signal(number)
        return self.process.wait(timeout=timeout_s)


def photo(name: str = "koala.jpg") -> bytes:
    """Return one of the project's own photos."""
    return (IMAGES / name).read_bytes()


def distinct(data: bytes, number: int) -> bytes:
    """Return the same picture in other bytes: a JPEG may be followed by anything."""
    return data + number.to_bytes(4, "big")


def start(
    data_dir: Path, *flags: str, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a dispatcher without waiting for it."""
    with (data_dir.parent / f"{data_dir.name}.stderr").open("w") as stderr:
        return subprocess.Popen(
            [sys.executable, "-m", "dispatcher", "--data-dir", str(data_dir), *flags],
            cwd=PROJECT,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )


@contextmanager
def running(data_dir: Path, *flags: str) -> Iterator[Service]:
    """Run a dispatcher until the end of the block; nothing of it is left then."""
    started = time.monotonic()
    process = start(data_dir, "--port", "0", *flags)
    stderr_path = data_dir.parent / f"{data_dir.name}.stderr"
    try:
        assert process.stdout is not None
        said = (re.search(r"ready on (\S+):", line) for line in process.stdout)
        ready = next(filter(None, said), None)
        assert ready is not None, stderr_path.read_text()[-2000:]
        yield Service(
            process=process,
            url=ready[1],
            data_dir=data_dir,
            stderr_path=stderr_path,
            ready_after_s=time.monotonic() - started,
        )
    finally:
        end(process)


def run_to_end(data_dir: Path, *flags: str, **environment: str) -> tuple[int, str]:
    """Run a dispatcher that cannot start; return its exit status and what it said."""
    process = start(data_dir, *flags, environment=environment)
    try:
        status = process.wait(timeout=START_TIMEOUT_S)
    finally:
        end(process)
    return status, (data_dir.parent / f"{data_dir.name}.stderr").read_text()


def wait_until(
    condition: Any, *, timeout_s: float = 20.0, what: str = "the condition", pause_s: float = 0.05
) -> None:
    """Return as soon as a condition holds."""
    ends_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_at, f"{what} did not come true in {timeout_s} s"
        time.sleep(pause_s)


def is_gone(processes: Sequence[psutil.Process]) -> bool:
    """Say whether none of these processes runs any more."""
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def _is_step(process: psutil.Process) -> bool:
    try:
        return "step_app" in process.cmdline()
    except psutil.Error:  # it ended meanwhile
        return False


def end(process: subprocess.Popen[str]) -> None:
    """End a dispatcher; fail when it has to be done by force."""
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"it did not end within {ENDS_WITHIN_S:.0f} s") from None
    finally:
        if process.stdout is not None:
            process.stdout.close()
