"""Locust as a user starts it: a process, since importing it would change this one's sockets."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of Locust's statistics."""

    requests: int
    failures: int
    average_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a run of Locust left behind."""

    exit_code: int
    log: str
    rows: Mapping[str, Row]
    """By kind and name, such as `POST /process`."""

    @property
    def users(self) -> list[int]:
        """How many users the shape asked for, each time that it changed."""
        found = [int(n) for n in re.findall(r"Shape test updating to (\d+) users", self.log)]
        return [n for place, n in enumerate(found) if place == 0 or n != found[place - 1]]


def start_locust(*arguments: str) -> subprocess.Popen[str]:
    """Start the real Locust with the project's file; whoever starts it ends it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    return subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", "load_tester/pipeline_test.py", *arguments],
        cwd=PROJECT,
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a process to end and return what it wrote; it never outlives the call."""
    try:
        return process.communicate(timeout=TIMEOUT_S)[0]
    finally:
        process.kill()
        process.communicate()


def run_locust(folder: Path, *arguments: str) -> Report:
    """Run Locust to its end without its web page; `folder` receives its statistics."""
    # As JSON, because Locust leaves the last second out of its CSV.
    path = folder / "locust.json"
    process = start_locust("--headless", "--json-file", str(path.with_suffix("")), *arguments)
    log = finish(process)
    rows = _read_rows(path) if path.exists() else {}
    return Report(exit_code=process.returncode, log=log, rows=rows)


def _read_rows(path: Path) -> Mapping[str, Row]:
    return {
        f"{entry['method']} {entry['name']}": Row(
            requests=entry["num_requests"],
            failures=entry["num_failures"],
            average_ms=entry["total_response_time"] / entry["num_requests"],
        )
        for entry in json.loads(path.read_text())
    }
