"""The real dispatcher as a child process: started, killed, started again on the same data."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from dispatcher.pipelines.model import StepKey
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.records import RecordDirectory
from tests.durability.fake_step import REVISION
from tests.ports import free_port

PROJECT = Path(__file__).resolve().parents[2]
BARE = ("--replicas", "0", "--operation-replicas", "0", "--result-retention-count", "1000000")
"""Nothing but what the tests declare, and everything kept until they have looked at it."""
_READY_WITHIN_S = 60.0
_GRACE_S = 40.0


@dataclass
class DispatcherProcess:
    """A dispatcher on one data directory, whatever becomes of its process."""

    data_dir: Path
    flags: Sequence[str]
    port: int
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    said: str = ""
    """What it said last of its readiness."""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def stderr_path(self) -> Path:
        """What every process so far has logged."""
        return self.data_dir.parent / f"{self.data_dir.name}.stderr"

    def start(self, *, wrapper: Sequence[str] = (), crash_at: str = "") -> None:
        """Start a process without waiting for it.

        Args:
            wrapper: a command that runs the dispatcher's.
            crash_at: where it shall die, as ``DISPATCHER_CRASH_AT`` says.
        """
        assert self.process is None or self.process.poll() is not None, "the last one still runs"
        command = [*wrapper, sys.executable, "-m", "dispatcher", *BARE, *self.flags]
        command += ["--data-dir", str(self.data_dir), "--port", str(self.port)]
        with self.stderr_path.open("ab") as stderr:
            self.process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env={**os.environ, **self.environment, "DISPATCHER_CRASH_AT": crash_at},
                stdout=stderr,
                stderr=stderr,
            )

    def wait_ready(self, *, pools: Sequence[str] = ()) -> None:
        """Return once it serves, and these steps have a ready replica."""
        ends_at = time.monotonic() + _READY_WITHIN_S
        while not self._is_ready(pools):
            assert self.process is not None
            assert self.process.poll() is None, self.tail()
            assert time.monotonic() < ends_at, f"{self.said} {self.tail()}"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as abruptly as a process can end."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Let it stand still: its connections stay, and nobody answers on them."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """End it politely; return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=_GRACE_S)

    def has_died(self) -> bool:
        """Say whether its process is gone."""
        return self.process is not None and self.process.poll() is not None

    def tail(self) -> str:
        """Return the end of what it has logged."""
        return self.stderr_path.read_text(errors="replace")[-4000:]

    def end(self) -> None:
        """Leave no process behind."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def _is_ready(self, pools: Sequence[str]) -> bool:
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=2)
            self.said = answer.text
            if answer.status_code != 200:
                return False
            replicas = httpx.get(f"{self.url}/status", timeout=2).json()["replicas"]
            self.said = str(replicas)
        except httpx.HTTPError as exc:
            self.said = repr(exc)
            return False
        ready = {replica["step"] for replica in replicas if replica["state"] == "ready"}
        return ready.issuperset(pools)


@dataclass
class FakeReplica:
    """A fake step as a child process and the log of what it has executed."""

    port: int
    log: Path
    options: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *options: str) -> None:
        """Start it and return once it answers."""
        command = [sys.executable, "-m", "tests.durability.fake_step", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--log", str(self.log), *(options or self.options)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
        )
        ends_at = time.monotonic() + _READY_WITHIN_S
        while not self._is_alive():
            assert self.process.poll() is None
            assert time.monotonic() < ends_at
            time.sleep(0.02)

    def kill(self) -> None:
        """End it abruptly."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process = None

    def _is_alive(self) -> bool:
        try:
            return httpx.get(f"{self.url}/livez", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False


def declare(data_dir: Path, replicas: Sequence[FakeReplica]) -> None:
    """Write the records of two pipelines, one that answers and one that paints.

    Their replicas are none that a launcher started: discovery goes by the records alone.
    """
    records = RecordDirectory(data_dir / "topology")
    for pipeline_id, step_type in (("oracle", "classifier"), ("painter", "blur")):
        records.write(
            StepRecord(
                key=StepKey(pipeline_id, "0"),
                type=step_type,
                steps=({"id": 0, "type": step_type, "params": {}, "next_step": None},),
                endpoints=[replica.url for replica in replicas],
                model_revision=REVISION,
            )
        )


POOLS = ("oracle/0", "painter/0")


@contextmanager
def stage(
    folder: Path, *flags: str, replicas: int = 1, options: Sequence[str] = ()
) -> Iterator[tuple[DispatcherProcess, list[FakeReplica]]]:
    """Give a dispatcher that is not started and fake replicas that run; none is left at the end."""
    data_dir = folder / "data"
    fakes = [
        FakeReplica(free_port(), folder / f"executions-{number}.jsonl", options)
        for number in range(replicas)
    ]
    dispatcher = DispatcherProcess(data_dir, flags, free_port())
    try:
        for fake in fakes:
            fake.start()
        data_dir.mkdir(exist_ok=True)
        declare(data_dir, fakes)
        yield dispatcher, fakes
    finally:
        dispatcher.end()
        for fake in fakes:
            fake.kill()
