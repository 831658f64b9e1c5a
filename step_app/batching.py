"""Greedy dynamic batching: take what waits, never wait for more."""

from queue import Empty, SimpleQueue
from typing import TypeVar

ItemT = TypeVar("ItemT")


def take_batch(ready: "SimpleQueue[ItemT | None]", *, max_batch_size: int) -> list[ItemT] | None:
    """Wait for one item, then take all that is there already, up to the maximum.

    An idle model so starts at once with a batch of one, and a busy one finds a full batch when
    it is free again: the batch size follows the load without a timer.

    Returns:
        The batch in order of arrival, or None once the queue was closed by a None.
    """
    first = ready.get()
    if first is None:
        return None
    batch = [first]
    while len(batch) < max_batch_size:
        try:
            item = ready.get_nowait()
        except Empty:
            break
        if item is None:
            ready.put(None)  # the next call sees the end
            break
        batch.append(item)
    return batch
