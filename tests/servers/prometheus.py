"""Prometheus as Debian ships it, and promtool."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from tests.ports import free_port
from tests.servers.processes import Guard, ServerProcess

PROMTOOL: Final = "promtool"
_TARGETS: Final = "targets.json"
_CONFIGURATION: Final = f"""
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: conveyor
    file_sd_configs:
      - files: [{_TARGETS}]
"""


@dataclass(frozen=True)
class Target:
    """What is scraped."""

    address: str
    """Host and port; the path is /metrics."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What its series are marked with, as a monitor in a cluster would."""


@dataclass(frozen=True)
class Sample:
    """A value of one series."""

    labels: Mapping[str, str]
    value: float


class QueryError(Exception):
    """A query was not answered; the message is Prometheus' own."""


class PrometheusServer(ServerProcess):
    """One server that looks at its targets each second."""

    program = "prometheus"

    def __init__(self, guard: Guard, folder: Path) -> None:
        """Prepare a server without targets; see ``ServerProcess``."""
        super().__init__(guard, folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "prometheus.yml").write_text(_CONFIGURATION)
        self.scrape(())

    def scrape(self, targets: Iterable[Target]) -> None:
        """Look at these from now on; a running server takes note within a moment."""
        groups = [
            {"targets": [target.address], "labels": dict(target.labels)} for target in targets
        ]
        written = self.folder / f"{_TARGETS}.new"
        written.write_text(json.dumps(groups))
        written.rename(self.folder / _TARGETS)  # it must never read half a file

    def ask(self, query: str) -> list[Sample]:
        """Return the value of a query at this moment, by series.

        Raises:
            QueryError: it is not valid.
        """
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=10).json()
        if answer["status"] != "success":
            raise QueryError(f"{query}: {answer['error']}")
        return [_sample(one) for one in answer["data"]["result"]]

    def ask_one(self, query: str) -> float:
        """Return the value of a query that has exactly one series."""
        (sample,) = self.ask(query)
        return sample.value

    def last_looked_at(self) -> Mapping[str, float]:
        """Return when each target answered last, in Unix seconds, by address."""
        return {one.labels["instance"]: one.value for one in self.ask("timestamp(up) and up == 1")}

    def _command(self) -> Sequence[str]:
        return [
            *(self.program, "--config.file=prometheus.yml", "--storage.tsdb.path=data"),
            *(f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"),
        ]

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False


def promtool(*arguments: str, said: bytes = b"") -> str:
    """Run promtool; return what it found wrong, nothing when all is well."""
    done = subprocess.run(
        [PROMTOOL, *arguments], input=said, capture_output=True, timeout=60, check=False
    )
    return "" if done.returncode == 0 else (done.stdout + done.stderr).decode()


def _sample(one: Mapping[str, Any]) -> Sample:
    return Sample(labels=one["metric"], value=float(one["value"][1]))
