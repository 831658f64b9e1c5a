"""What each ConfigMap said last that was good: a bad one never empties the set."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from dispatcher.topology.configmap import InvalidRecordError
from dispatcher.topology.kubernetes.kinds import ConfigMap
from dispatcher.topology.kubernetes.validation import ClusterStep, read_config_map

_log = logging.getLogger(__name__)
MAX_RECORDS: Final = 1_000
"""Most ConfigMaps that are read; those that came first stay."""
_HASH_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known of one ConfigMap."""

    uid: str
    version: str
    digest: str
    """Of everything that makes the record."""
    good: ClusterStep | None
    """The last one that was; None when there was none."""
    problem: str = ""
    """Why what the ConfigMap says now is not used; empty when it is."""


class RecordLedger:
    """Reads ConfigMaps that changed, keeps what was good, and says who changed what.

    A ConfigMap that was deleted takes its record along, also when another of its name came.
    """

    def __init__(self, *, namespace: str, max_records: int = MAX_RECORDS) -> None:
        self._namespace = namespace
        self._max_records = max_records
        self._entries: dict[str, _Entry] = {}
        self._left_out = 0

    @property
    def rejected(self) -> int:
        """How many ConfigMaps say something that is not used."""
        return self._left_out + sum(bool(entry.problem) for entry in self._entries.values())

    def update(self, config_maps: Mapping[str, ConfigMap]) -> Sequence[ClusterStep]:
        """Return the good records of these ConfigMaps, ordered by name.

        Args:
            config_maps: all that count, by name. Each that changed is read, the largest in
                a second: too long for the event loop.
        """
        for name in sorted(self._entries.keys() - config_maps.keys()):
            _log.info("record %s is there no more", name)
        known = self._entries.keys() & config_maps.keys()
        room = self._max_records - len(known)
        new = sorted(config_maps.keys() - known)
        self._entries = {
            name: self._look(self._entries.get(name), config_maps[name])
            for name in sorted([*known, *new[:room]])
        }
        self._count_left_out(max(0, len(new) - room))
        return [entry.good for entry in self._entries.values() if entry.good is not None]

    def _look(self, before: _Entry | None, config_map: ConfigMap) -> _Entry:
        """Return what is known of a ConfigMap, after what was known before."""
        meta = config_map.metadata
        if before is not None and before.uid != meta.uid:
            before = None
        if before is not None and before.version == meta.resource_version:
            return before
        digest = _digest(config_map)
        if before is not None and before.digest == digest:
            return replace(before, version=meta.resource_version)
        good, problem = before.good if before else None, ""
        try:
            good = read_config_map(config_map, namespace=self._namespace)
        except InvalidRecordError as exc:
            problem = str(exc)
        _log.log(
            logging.ERROR if problem else logging.INFO,
            "record %s %s: version %s, hash %s (was %s), written by %s",
            meta.name,
            _verdict(problem, is_kept=good is not None),
            meta.resource_version,
            digest,
            before.digest if before else "none",
            meta.last_manager,
        )
        return _Entry(meta.uid, meta.resource_version, digest, good, problem)

    def _count_left_out(self, count: int) -> None:
        if count and count != self._left_out:
            _log.error("%d records are not read: there are over %d", count, self._max_records)
        self._left_out = count


def _verdict(problem: str, *, is_kept: bool) -> str:
    if not problem:
        return "is used"
    return f"is not used, {'the last good one is kept' if is_kept else 'there is none'} ({problem})"


def _digest(config_map: ConfigMap) -> str:
    """Return a short hash of what a record is made of."""
    meaning = (config_map.metadata.labels, config_map.data, config_map.binary_data)
    text = msgspec.json.encode(meaning, order="deterministic")
    return hashlib.sha256(text).hexdigest()[:_HASH_DIGITS]
