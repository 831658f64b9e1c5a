"""Records as YAML files in one directory: the one-machine twin of a cluster's ConfigMaps."""

import contextlib
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchfiles import awatch

from dispatcher.topology.configmap import InvalidRecordError, StepRecord, parse, render

_log = logging.getLogger(__name__)
_RELIST_MS: Final = 4_000
"""Also read without a notice: one that came while the watch began would be missed."""
_STEP_MS: Final = 100


_Signature = tuple[int, int, int]
"""Time of the last change in nanoseconds, size in bytes, inode."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What one file said when it was read."""

    signature: _Signature | None
    """None when it has to be read again in any case."""
    record: StepRecord | None
    """The last good version; None when there was none."""


class RecordDirectory:
    """Writes, removes and watches the records of the steps on this machine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, _Known] = {}
        """What each file said, so that only those that changed are read again."""

    def write(self, record: StepRecord) -> None:
        """Put a record in place of the one of the same name, whole or not at all."""
        self._directory.mkdir(parents=True, exist_ok=True)
        handle, staging = tempfile.mkstemp(dir=self._directory, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(render(record))
            written = _Known(_signature(Path(staging)), record)
            Path(staging).rename(self._path(record.name))
            self._known[self._path(record.name).name] = written
        except BaseException:
            with contextlib.suppress(OSError):
                Path(staging).unlink()
            raise

    def remove(self, record: StepRecord) -> None:
        """Remove a record."""
        self._path(record.name).unlink(missing_ok=True)

    def read_all(self) -> list[StepRecord]:
        """Return all records; one that does not parse keeps its last good version."""
        known: dict[str, _Known] = {}
        for path in sorted(self._directory.glob("*.yaml")):
            before = self._known.get(path.name)
            with contextlib.suppress(FileNotFoundError):
                known[path.name] = _read(path, before)
        self._known = known
        return [entry.record for entry in known.values() if entry.record is not None]

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


def _read(path: Path, before: _Known | None) -> _Known:
    """Read a record that has changed; one that does not parse stays what it was."""
    signature = _signature(path)
    if before is not None and before.signature == signature:
        return before
    good = None if before is None else before.record
    try:
        return _Known(signature, _parse_named(path))
    except FileNotFoundError:
        raise
    except OSError as exc:
        _log.warning("record %s cannot be read: %s", path.name, exc)
        return _Known(None, good)  # perhaps it can next time
    except (InvalidRecordError, UnicodeDecodeError) as exc:
        _log.warning("record %s is not used: %s", path.name, exc)
        return _Known(signature, good)


def _signature(path: Path) -> _Signature:
    """Return what changes whenever a file does."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _parse_named(path: Path) -> StepRecord:
    """Read a record; a copy of one under another name is none, or a step would be there twice."""
    record = parse(path.read_text())
    if path.stem != record.name:
        raise InvalidRecordError(f"it is the record {record.name}")
    return record
