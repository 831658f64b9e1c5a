"""Results of the past for identical images: an LRU in memory."""

from cachetools import LRUCache

from dispatcher.jobs import CachedResult


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

    def put(self, key: str, result: CachedResult) -> list[tuple[str, CachedResult]]:
        """Keep a good result; return those that had to go for it, with their keys."""
        if not self._max_size:
            return [(key, result)]
        gone = []
        replaced = self._results.pop(key, None)
        if replaced is not None:
            gone.append((key, replaced))
        while len(self._results) >= self._max_size:
            gone.append(self._results.popitem())
        self._results[key] = result
        return gone

    def __len__(self) -> int:
        return len(self._results)

    def total_bytes(self) -> int:
        """Return the size of the kept results as JSON."""
        return sum(entry.size_bytes for entry in self._results.values())
