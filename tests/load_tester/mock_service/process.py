"""The mock service as its user holds it: a process, its address, and what it knows."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.load_tester.mock_service.script import Script, right_label
from tests.load_tester.mock_service.truth import Truth

PROJECT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Mock:
    """A running mock service."""

    url: str
    process: subprocess.Popen[str]

    def tell(self) -> Truth:
        """Return what the service knows of every upload so far."""
        with urllib.request.urlopen(f"{self.url}/truth", timeout=60) as answer:
            return msgspec.json.decode(answer.read(), type=Truth)

    def freeze(self) -> None:
        """Stop the process where it is; the system still takes connections and bytes for it."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def freeze_for(self, duration_s: float) -> None:
        """Freeze, sleep, thaw: blocks the caller."""
        self.freeze()
        try:
            time.sleep(duration_s)
        finally:
            self.thaw()

    def kill(self) -> None:
        """End the process as a crash does."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running_mock(script: Script | None = None, *, cores: Set[int] | None = None) -> Iterator[Mock]:
    """Run a mock service on a free port of 127.0.0.1, on these cores only when given."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.load_tester.mock_service",
            msgspec.json.encode(script or Script()).decode(),
        ],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("the mock service did not start")
        if cores is not None:
            os.sched_setaffinity(process.pid, cores)
        yield Mock(url=url, process=process)
    finally:
        process.kill()
        process.communicate()


def write_images(folder: Path, *, count: int, size_bytes: int) -> None:
    """Write files that look like JPEGs from the outside, all different, and their right labels."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file\tclass_index\tlabel"]
    for number in range(count):
        name = f"image-{number:04}.jpg"
        head = b"\xff\xd8\xff\xe0" + b"%08d" % number
        (folder / name).write_bytes(head + bytes(max(0, size_bytes - len(head))))
        rows.append(f"{name}\t{number}\t{right_label(name)}")
    (folder / "labels.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
