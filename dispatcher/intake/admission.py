"""Whether one more job is taken: a pure decision, and an honest word on when to come back."""

import math
from typing import Final

from dispatcher.errors import DrainingError, OverloadedError

MIN_RETRY_AFTER_S: Final = 1
MAX_RETRY_AFTER_S: Final = 30


def admit(*, depth: int, capacity: int, drain_rate: float, is_draining: bool) -> None:
    """Return when a job may be queued.

    Args:
        depth: jobs that wait.
        capacity: most jobs that may wait.
        drain_rate: jobs that ended per second lately.
        is_draining: the service is shutting down.

    Raises:
        DrainingError: no new work is taken.
        OverloadedError: the queue is full; ``retry_after_s`` says when a good part of it will
            have been worked off.
    """
    if is_draining:
        raise DrainingError(retry_after_s=MIN_RETRY_AFTER_S)
    if depth >= capacity:
        raise OverloadedError(
            f"{depth} jobs wait already, as many as may.",
            retry_after_s=retry_after_s(depth, drain_rate),
        )


def retry_after_s(depth: int, drain_rate: float) -> int:
    """Return after how many whole seconds half of the queue is worked off at the present rate."""
    if drain_rate <= 0:
        return MAX_RETRY_AFTER_S
    return min(max(math.ceil(depth / 2 / drain_rate), MIN_RETRY_AFTER_S), MAX_RETRY_AFTER_S)
