"""Which other steps of a pipeline are active, and where: from their records.

A record is a ConfigMap; on one machine it is a YAML file of the same text. In a cluster a pod sees
the ConfigMaps of its own pipeline as a volume: a file then holds the data alone, and says which
Service leads to the replicas.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import yaml

from step_app.contract.routes import StepDocument

_log = logging.getLogger(__name__)
_MALFORMED = (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, RecursionError)

ActiveSteps = Mapping[str, Sequence[str]]
"""URLs of the replicas of each active step, by step id."""


@dataclass(frozen=True, slots=True)
class _Record:
    """What one record says."""

    step_id: str
    urls: Sequence[str]
    steps: Sequence[StepDocument]


class StepDirectory(Protocol):
    """Knows the active steps of one pipeline."""

    async def active(self) -> ActiveSteps:
        """Return the steps whose record exists; one may have no replica at the moment."""
        ...

    def steps(self) -> Sequence[StepDocument]:
        """Return all steps of the pipeline as the records said last; empty before that."""
        ...


class NoRecords:
    """A ``StepDirectory`` for a replica that runs by itself."""

    async def active(self) -> ActiveSteps:
        """Return nothing."""
        return {}

    def steps(self) -> Sequence[StepDocument]:
        """Return nothing."""
        return ()


class RecordFiles:
    """A ``StepDirectory`` over YAML files in one directory."""

    def __init__(self, directory: Path, *, pipeline_id: str, app_label: str) -> None:
        self._directory = directory
        self._labels = {"app": app_label, "pipeline_id": pipeline_id}
        self._steps: Sequence[StepDocument] = ()
        self._parsed: dict[Path, tuple[int, _Record | None]] = {}
        """What each file said, by the time of its last change."""

    async def active(self) -> ActiveSteps:
        """Return the steps whose record exists; files that did not change are not read again."""
        steps: dict[str, Sequence[str]] = {}
        parsed = {}
        for path in sorted(self._directory.glob("*.yaml")):
            try:
                changed = path.stat().st_mtime_ns
                known = self._parsed.get(path)
                step = known[1] if known and known[0] == changed else self._parse(path.read_text())
            except (OSError, UnicodeDecodeError):
                continue  # it was removed meanwhile
            parsed[path] = (changed, step)
            if step is not None:
                steps[step.step_id] = step.urls
                self._steps = step.steps
        self._parsed = parsed
        return steps

    def steps(self) -> Sequence[StepDocument]:
        """Return all steps as the records say: ``preferred_next`` changes while replicas run."""
        return self._steps

    def _parse(self, text: str) -> "_Record | None":
        """Return what a record says; None for one of another pipeline."""
        try:
            document = yaml.safe_load(text)
            if "metadata" in document:
                labels: Mapping[str, Any] = document["metadata"]["labels"]
                if any(labels.get(name) != value for name, value in self._labels.items()):
                    return None
                document = yaml.safe_load(document["data"]["PIPELINE_CONFIG"])
            config: Mapping[str, Any] = document
            if str(config["pipeline_id"]) != self._labels["pipeline_id"]:
                return None
            urls = _urls_of(config)
            if not all(urlsplit(url).scheme in ("http", "https") for url in urls):
                return None
            documents = [{**step, "id": str(step["id"])} for step in config["steps"]]
            return _Record(str(config["step_id"]), urls, documents)
        except _MALFORMED:
            _log.warning("a record cannot be read and is not used")
            return None


def _urls_of(config: Mapping[str, Any]) -> list[str]:
    """Return where a step answers: its replicas, or the Service in front of them."""
    urls = config.get("endpoints") or [config.get("service") or ""]
    return [str(url).rstrip("/") for url in urls if url]
