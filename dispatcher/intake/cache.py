"""Results of the past for identical images: an LRU in memory."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache


@dataclass(frozen=True, slots=True)
class CachedResult:
    """A result and the model revision that gave it."""

    result: Mapping[str, Any]
    revision: str
    size_bytes: int


class ResultCache:
    """The most recently used results by result key; only good results are ever put here."""

    def __init__(self, *, max_size: int) -> None:
        self._max_size = max_size
        # An LRUCache of size 0 refuses every item, so a cache that is off has none.
        self._results: LRUCache[str, CachedResult] = LRUCache(maxsize=max(1, max_size))

    @property
    def max_size(self) -> int:
        """Most results kept; 0 means that the cache is off."""
        return self._max_size

    def get(self, key: str | None) -> CachedResult | None:
        """Return the result kept under a key, and mark it as used."""
        return None if key is None else self._results.get(key)

    def put(self, key: str, result: Mapping[str, Any], revision: str) -> None:
        """Keep a good result; the least recently used one goes when there is no space."""
        if self._max_size:
            size_bytes = len(json.dumps(result))
            self._results[key] = CachedResult(result, revision, size_bytes)

    def __len__(self) -> int:
        return len(self._results)

    def total_bytes(self) -> int:
        """Return the size of the kept results as JSON."""
        return sum(entry.size_bytes for entry in self._results.values())
