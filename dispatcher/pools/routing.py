"""Who gets the next item: a pure decision."""

from collections.abc import Collection, Iterable
from typing import Final

from dispatcher.pools.replica import Replica

_PREFERENCE: Final = 4
"""Items that a preferred replica may have on hand beyond those of the idlest."""


def choose_replica(
    replicas: Iterable[Replica], *, avoid: Collection[str] = (), prefer: str = ""
) -> Replica | None:
    """Return the ready replica with the fewest outstanding items that has room.

    Among equals the one that has answered faster wins. Replicas in ``avoid``, by URL, have
    failed this item before: they get it only when no other is ready. The one to ``prefer`` has
    done part of the work already: it gets the item unless it has much more to do than another.

    Returns:
        None when no replica that may have it has room at the moment.
    """
    ready = [replica for replica in replicas if replica.is_ready]
    preferred = [replica for replica in ready if replica.url not in avoid]
    with_room = [replica for replica in preferred or ready if replica.room > 0]
    idlest = min(with_room, key=_load, default=None)
    for replica in with_room:
        if idlest and replica.url == prefer and replica.ongoing - idlest.ongoing <= _PREFERENCE:
            return replica
    return idlest


def _load(replica: Replica) -> tuple[int, float, int]:
    return (replica.ongoing, replica.ewma_latency_s or 0.0, replica.served)
