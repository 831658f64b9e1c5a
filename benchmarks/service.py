"""A dispatcher of our own to measure, on a free port, ended by its process id."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    url: str
    process: psutil.Process

    def memory_mb(self) -> float:
        """Return the dispatcher's resident memory in megabytes, without its replicas."""
        return float(self.process.memory_info().rss) / 1e6

    def cpu_s(self) -> float:
        """Return the processor time that dispatcher and replicas have used, in seconds."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(sum(member.cpu_times()[:2]) for member in family)


@contextmanager
def running_service(
    flags: Sequence[str],
    *,
    data_dir: Path,
    steps: Collection[str] = ("operations/0",),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """Start a service, wait until these steps are ready as well, and end it afterwards."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "dispatcher",
                "--port",
                "0",
                "--data-dir",
                str(data_dir),
                *flags,
            ],
            cwd=PROJECT,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdout is not None
            found = (re.search(r"ready on (\S+):", line) for line in process.stdout)
            ready = next(filter(None, found), None)
            if ready is None:
                process.wait(timeout=30)
                log.seek(0)
                raise SystemExit(f"the service did not start: {log.read()[-2000:]}")
            _wait_until_settled(ready[1], steps)
            yield Service(url=ready[1], process=psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(timeout=60)


def _wait_until_settled(url: str, steps: Collection[str]) -> None:
    """Wait for the other pipelines, too: they start once the default one is ready."""
    while True:
        with urllib.request.urlopen(f"{url}/status") as answer:
            replicas = json.load(answer)["replicas"]
        known = {replica["step"] for replica in replicas}
        if known.issuperset(steps) and all(r["state"] == "ready" for r in replicas):
            return
        time.sleep(0.1)
