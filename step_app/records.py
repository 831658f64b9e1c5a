"""Which other steps of a pipeline are active, and where: from their records.

A record is a ConfigMap; on one machine it is a YAML file of the same text.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import yaml

_log = logging.getLogger(__name__)
_MALFORMED = (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, RecursionError)

ActiveSteps = Mapping[str, Sequence[str]]
"""URLs of the replicas of each active step, by step id."""


class StepDirectory(Protocol):
    """Knows the active steps of one pipeline."""

    async def active(self) -> ActiveSteps:
        """Return the steps whose record exists; one may have no replica at the moment."""
        ...


class NoRecords:
    """A ``StepDirectory`` for a replica that runs by itself."""

    async def active(self) -> ActiveSteps:
        """Return nothing."""
        return {}


class RecordFiles:
    """A ``StepDirectory`` over YAML files in one directory."""

    def __init__(self, directory: Path, *, pipeline_id: str, app_label: str) -> None:
        self._directory = directory
        self._labels = {"app": app_label, "pipeline_id": pipeline_id}
        self._parsed: dict[Path, tuple[int, tuple[str, Sequence[str]] | None]] = {}
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
                steps[step[0]] = step[1]
        self._parsed = parsed
        return steps

    def _parse(self, text: str) -> tuple[str, Sequence[str]] | None:
        """Return the step's id and URLs; None for a record of another pipeline."""
        try:
            document = yaml.safe_load(text)
            labels: Mapping[str, Any] = document["metadata"]["labels"]
            if any(labels.get(name) != value for name, value in self._labels.items()):
                return None
            config = yaml.safe_load(document["data"]["PIPELINE_CONFIG"])
            urls = [str(url).rstrip("/") for url in config.get("endpoints") or ()]
            if not all(urlsplit(url).scheme in ("http", "https") for url in urls):
                return None
            return str(config["step_id"]), urls
        except _MALFORMED:
            _log.warning("a record cannot be read and is not used")
            return None
