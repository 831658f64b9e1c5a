"""Token buckets: how often somebody may do something.

A bucket holds at most ``burst`` tokens and gains ``rate_per_s`` a second; each request takes one
(Turner, "New directions in communications", 1986: the leaky bucket as a meter).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float
    """When it had so many, in the clock's seconds."""


class Rates:
    """One bucket a name; there are as many as API keys, so none is ever dropped."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, name: str, *, rate_per_s: float, burst: float) -> int | None:
        """Take a token.

        Args:
            name: whose bucket.
            rate_per_s: tokens it gains a second, more than 0.
            burst: most tokens that it holds, at least 1.

        Returns:
            None when there was one, else after how many whole seconds to come back.
        """
        now = self._clock()
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(tokens=burst, at=now)
        tokens = min(burst, bucket.tokens + (now - bucket.at) * rate_per_s)
        bucket.at = now
        if tokens < 1:
            bucket.tokens = tokens
            return math.ceil((1 - tokens) / rate_per_s)
        bucket.tokens = tokens - 1
        return None
