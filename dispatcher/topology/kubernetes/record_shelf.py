"""Records as they were read last: those that did not change are not read again."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

from dispatcher.topology.configmap import InvalidRecordError, StepRecord
from dispatcher.topology.kubernetes.kinds import Metadata
from dispatcher.topology.kubernetes.observed import Draft
from dispatcher.topology.kubernetes.validation import read_config_map

_log = logging.getLogger(__name__)
_MAX_KEPT: Final = 2048
"""Twice as many as clients can make; those of pipelines that went leave in time."""


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A record and the object that it stands in."""

    metadata: Metadata
    record: StepRecord
    service: str
    """Name of its Service; empty when it names none."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a ConfigMap was read as, in one of its versions."""

    uid: str
    version: str
    kept: KeptRecord | None
    """The last good one; None when there was none."""

    def is_of(self, metadata: Metadata) -> bool:
        """Whether the ConfigMap is still what was read."""
        return (self.uid, self.version) == (metadata.uid, metadata.resource_version)


class RecordShelf:
    """Reads records, each once; one that was spoilt stays what it was, as for discovery."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._verdicts: LRUCache[str, _Verdict] = LRUCache(maxsize=_MAX_KEPT)
        self._reading = asyncio.Lock()
        """Held while records are read: who comes meanwhile finds them read."""

    async def read(self, config_maps: Iterable[Draft]) -> list[KeptRecord]:
        """Return the records of these objects; one that has never been good has none."""
        verdicts = [await self._look(config_map) for config_map in config_maps]
        return [verdict.kept for verdict in verdicts if verdict.kept is not None]

    async def _look(self, config_map: Draft) -> _Verdict:
        """Return what a ConfigMap says; the event loop goes on while YAML is read."""
        metadata = config_map.metadata
        verdict = self._verdicts.get(metadata.name)
        if verdict is not None and verdict.is_of(metadata):
            return verdict
        async with self._reading:
            before = self._verdicts.get(metadata.name)
            if before is not None and before.is_of(metadata):
                return before
            verdict = await asyncio.to_thread(self._read, config_map, before)
            self._verdicts[metadata.name] = verdict
            return verdict

    def _read(self, config_map: Draft, before: _Verdict | None) -> _Verdict:
        metadata = config_map.metadata
        kept = before.kept if before is not None and before.uid == metadata.uid else None
        try:
            step = read_config_map(config_map, namespace=self._namespace)
        except InvalidRecordError as exc:
            _log.debug("record %s is not shown as it is: %s", metadata.name, exc)
        else:
            kept = KeptRecord(metadata, step.record, step.service)
        return _Verdict(metadata.uid, metadata.resource_version, kept)
