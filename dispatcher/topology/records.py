"""Records as YAML files in one directory: the one-machine twin of a cluster's ConfigMaps."""

import contextlib
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from watchfiles import awatch

from dispatcher.topology.configmap import InvalidRecordError, StepRecord, parse, render

_log = logging.getLogger(__name__)
_RELIST_MS: Final = 4_000
"""Also read without a notice: one that came while the watch began would be missed."""
_STEP_MS: Final = 100


class RecordDirectory:
    """Writes, removes and watches the records of the steps on this machine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._last_good: dict[str, StepRecord] = {}

    def write(self, record: StepRecord) -> None:
        """Put a record in place of the one of the same name, whole or not at all."""
        self._directory.mkdir(parents=True, exist_ok=True)
        handle, staging = tempfile.mkstemp(dir=self._directory, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(render(record))
            Path(staging).rename(self._path(record.name))
        except BaseException:
            with contextlib.suppress(OSError):
                Path(staging).unlink()
            raise

    def remove(self, record: StepRecord) -> None:
        """Remove a record."""
        self._path(record.name).unlink(missing_ok=True)

    def read_all(self) -> list[StepRecord]:
        """Return all records; one that does not parse keeps its last good version."""
        records: dict[str, StepRecord] = {}
        for path in sorted(self._directory.glob("*.yaml")):
            try:
                records[path.name] = _parse_named(path)
            except FileNotFoundError:
                continue
            except (InvalidRecordError, OSError, UnicodeDecodeError) as exc:
                _log.warning("record %s is not used: %s", path.name, exc)
                if path.name in self._last_good:
                    records[path.name] = self._last_good[path.name]
        self._last_good = records
        return list(records.values())

    async def snapshots(self) -> AsyncIterator[Sequence[StepRecord]]:
        """Yield all records, now, after every change, and every few seconds in any case."""
        self._directory.mkdir(parents=True, exist_ok=True)
        yield self.read_all()
        async for _ in awatch(
            self._directory,
            watch_filter=lambda _, path: path.endswith(".yaml"),
            debounce=200,
            step=_STEP_MS,
            rust_timeout=_RELIST_MS,
            yield_on_timeout=True,
        ):
            yield self.read_all()

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.yaml"


def _parse_named(path: Path) -> StepRecord:
    """Read a record; a copy of one under another name is none, or a step would be there twice."""
    record = parse(path.read_text())
    if path.stem != record.name:
        raise InvalidRecordError(f"it is the record {record.name}")
    return record
