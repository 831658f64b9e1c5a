"""Whether one more job is taken: a pure decision, and an honest word on when to come back."""

import math
from typing import Final

from dispatcher.errors import OverloadedError

MIN_RETRY_AFTER_S: Final = 1
MAX_RETRY_AFTER_S: Final = 30
UNKNOWN_RETRY_AFTER_S: Final = 5
"""Before anything has ended there is no rate to compute with."""


def admit(*, depth: int, capacity: int, drain_rate: float) -> None:
    """Return when a job may be queued.

    Args:
        depth: jobs that wait.
        capacity: most jobs that may wait.
        drain_rate: jobs that ended per second lately.

    Raises:
        OverloadedError: the queue is full; ``retry_after_s`` says when a good part of it will
            have been worked off.
    """
    if depth >= capacity:
        raise OverloadedError(
            f"{depth} jobs wait already, as many as may.",
            retry_after_s=retry_after_s(depth, drain_rate),
        )


def retry_after_s(depth: int, drain_rate: float) -> int:
    """Return after how many whole seconds half of the queue is worked off at the present rate."""
    if drain_rate <= 0:
        return UNKNOWN_RETRY_AFTER_S
    return min(max(math.ceil(depth / 2 / drain_rate), MIN_RETRY_AFTER_S), MAX_RETRY_AFTER_S)
