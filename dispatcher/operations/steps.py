"""Long work on a queue, a bounded call after the other, with its progress."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dispatcher.operations.target import OperationError, QueueTarget

Progress = Callable[[int], None]
"""Is told how many jobs were done so far."""
STEP: Final = 500
"""Jobs of one call: a second or two of work."""
_LONGEST_PAUSE_S: Final = 10.0
_FULL: Final = frozenset({"overloaded", "rate_limited"})
"""Codes of refusals that pass by themselves, as soon as there is room again."""


@dataclass(frozen=True, slots=True)
class PurgeTotal:
    """What was purged altogether."""

    purged: int
    dead_messages: int


@dataclass(frozen=True, slots=True)
class RequeueTotal:
    """What was repeated altogether."""

    requeued: int
    put_back: int
    skipped: Mapping[str, int]


async def purge_all(
    target: QueueTarget, order: Mapping[str, Any], *, on_progress: Progress
) -> PurgeTotal:
    """Purge until nothing more is found.

    Raises:
        OperationError: a call failed; what was purged before stays so.
    """
    purged = dead = 0
    while True:
        part = await target.purge({**order, "limit": STEP})
        purged += part.purged
        dead += part.dead_messages
        on_progress(purged)
        # Of jobs that began meanwhile none is purged: they are not looked for again.
        if not part.more or not part.purged:
            return PurgeTotal(purged, dead)


async def requeue_all(
    target: QueueTarget,
    order: Mapping[str, Any],
    *,
    most: int | None,
    on_progress: Progress,
    on_wait: Callable[[], None] = lambda: None,
) -> RequeueTotal:
    """Repeat failed jobs until none is left, waiting for room in a queue that is full.

    Args:
        target: whose.
        order: which.
        most: at most so many; None means all.
        on_progress: told how many were repeated.
        on_wait: called whenever the queue is full.

    Raises:
        OperationError: a call failed; what was repeated before stays so.
    """
    requeued = put_back = 0
    skipped: Counter[str] = Counter()
    after: Mapping[str, str] = {}
    while most is None or requeued < most:
        limit = STEP if most is None else min(STEP, most - requeued)
        try:
            part = await target.requeue({**order, **after, "limit": limit})
        except OperationError as exc:
            if exc.code not in _FULL or not target.may_drain:
                raise
            on_wait()
            await asyncio.sleep(min(exc.retry_after_s or 1.0, _LONGEST_PAUSE_S))
            continue
        requeued += part.requeued
        put_back += part.put_back
        skipped.update(part.skipped)
        on_progress(requeued)
        if part.next is None:
            break
        after = {"after": part.next}
    return RequeueTotal(requeued, put_back=put_back, skipped=skipped)
