"""``python -m dispatcher queue`` as an operator runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.end_to_end.service import PROJECT


@dataclass(frozen=True)
class Ran:
    """What became of a command."""

    status: int
    said: str
    complained: str


@dataclass(frozen=True)
class QueueCommand:
    """Commands that mean one queue."""

    flags: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "dispatcher", "queue", *arguments, *self.flags]

    def run(self, *arguments: str, timeout_s: float = 60) -> Ran:
        """Run a command to its end, without a terminal."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=PROJECT,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    def status(self) -> dict[str, Any]:
        """Return what ``status --json`` says."""
        ran = self.run("status", "--json")
        assert ran.status == 0, ran.complained
        document: dict[str, Any] = json.loads(ran.said)
        return document
