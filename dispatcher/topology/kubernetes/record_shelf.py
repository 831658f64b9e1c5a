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


class RecordShelf:
    """Reads records, each once; one that was spoilt stays what it was, as for discovery."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._kept: LRUCache[str, KeptRecord] = LRUCache(maxsize=_MAX_KEPT)

    async def read(self, config_maps: Iterable[Draft]) -> list[KeptRecord]:
        """Return the records of these objects; one that has never been good has none."""
        found = []
        for config_map in config_maps:
            metadata = config_map.metadata
            before = self._kept.get(metadata.name)
            if before is not None and before.metadata.uid != metadata.uid:
                before = None
            kept = before
            if before is None or before.metadata.resource_version != metadata.resource_version:
                kept = self._read(config_map, before)
                await asyncio.sleep(0)  # the longest ones take milliseconds
            if kept is not None:
                found.append(kept)
        return found

    def _read(self, config_map: Draft, before: KeptRecord | None) -> KeptRecord | None:
        metadata = config_map.metadata
        try:
            step = read_config_map(config_map, namespace=self._namespace)
        except InvalidRecordError as exc:
            _log.debug("record %s is not shown as it is: %s", metadata.name, exc)
            return before
        kept = KeptRecord(metadata, step.record, step.service)
        self._kept[metadata.name] = kept
        return kept
