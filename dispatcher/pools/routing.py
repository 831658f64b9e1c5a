"""Who gets the next item: a pure decision."""

from collections.abc import Collection, Iterable

from dispatcher.pools.replica import Replica


def choose_replica(
    replicas: Iterable[Replica], *, avoid: Collection[str] = (), prefer: str = ""
) -> Replica | None:
    """Return the ready replica with the fewest outstanding items that has room.

    Among equals the one that has answered faster wins. Replicas in ``avoid``, by URL, have
    failed this item before: they get it only when no other is ready. The one to ``prefer`` has
    done part of the work already: it gets the item while it has room.

    Returns:
        None when no replica that may have it has room at the moment.
    """
    ready = [replica for replica in replicas if replica.is_ready]
    preferred = [replica for replica in ready if replica.url not in avoid]
    with_room = [replica for replica in preferred or ready if replica.room > 0]
    favourite = next((replica for replica in with_room if replica.url == prefer), None)
    return favourite or min(with_room, key=_load, default=None)


def _load(replica: Replica) -> tuple[int, float, int]:
    return (replica.ongoing, replica.ewma_latency_s or 0.0, replica.served)
