"""Who gets the next item: a pure decision."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from dispatcher.pools.replica import Replica

_PREFERENCE: Final = 4
"""Items that a preferred replica may have on hand beyond those of the idlest."""
_SLOW: Final = 4.0
"""A replica that takes this many times as long for an item as the fastest is a slow one. What is
less may come from larger pictures or from a busy machine, and is not told apart."""
_TRIAL_AFTER: Final = 400
"""Items that pass by a slow replica between two trials: far fewer than one in a hundred is slow."""


def choose_replica(
    replicas: Iterable[Replica], *, avoid: Collection[str] = (), prefer: str = "", now: float
) -> Replica | None:
    """Return the ready replica that is likely to be done first, of those that have room.

    That is the one with the fewest outstanding items; those of a slow replica count as many
    times as it is slower. Among equals the one that has answered faster wins. While a fast
    replica, though full, would be done sooner than the slow ones that have room, the item had
    better wait. A slow one that is passed over all the time gets an item now and then, to see
    whether it has recovered. Replicas in ``avoid``, by URL, have failed this item before: they
    get it only when no other is ready. The one to ``prefer`` has done part of the work already:
    it gets the item unless it has much more to do than another.

    Args:
        replicas: all of the pool.
        avoid: URLs.
        prefer: a URL, or empty.
        now: monotonic seconds.

    Returns:
        None when no replica that may have it has room at the moment.
    """
    ready = [replica for replica in replicas if replica.is_ready]
    allowed = [replica for replica in ready if replica.url not in avoid] or ready
    with_room = [replica for replica in allowed if replica.room > 0]
    if not with_room:
        return None
    slowness = _slowness_of(allowed, now=now)
    idlest = min(with_room, key=lambda replica: _load(replica, slowness))
    for replica in with_room:
        if replica.url == prefer and replica.ongoing - idlest.ongoing <= _PREFERENCE:
            return replica
    if not slowness:
        return idlest
    slow = [replica for replica in with_room if replica.url in slowness]
    for replica in slow:
        if not replica.ongoing and replica.passed_over >= _TRIAL_AFTER * len(slow):
            return replica
    return None if _is_worth_waiting(idlest, allowed, slowness) else idlest


def note_choice(replicas: Iterable[Replica], chosen: Replica) -> None:
    """Take note of who got an item, and who did not."""
    for replica in replicas:
        replica.passed_over = 0 if replica is chosen else replica.passed_over + 1


def _slowness_of(replicas: Sequence[Replica], *, now: float) -> dict[str, float]:
    """Return, of slow replicas by URL, how many times as long as the fastest each takes."""
    paces = [(replica.expected_pace_s(now=now), replica) for replica in replicas]
    known = [pace_s for pace_s, _ in paces if pace_s]
    if not known or max(known) < _SLOW * min(known):
        return {}  # nearly always
    best_s = min(known)
    return {
        replica.url: pace_s / best_s
        for pace_s, replica in paces
        if pace_s and pace_s >= _SLOW * best_s
    }


def _is_worth_waiting(
    idlest: Replica, allowed: Sequence[Replica], slowness: dict[str, float]
) -> bool:
    """Say whether a fast replica that is full is done sooner than a slow one that is not."""
    if idlest.url not in slowness:
        return False
    full = [replica.ongoing for replica in allowed if replica.url not in slowness]
    return bool(full) and min(full) + 1 < (idlest.ongoing + 1) * slowness[idlest.url]


def _load(replica: Replica, slowness: dict[str, float]) -> tuple[float, float, int]:
    return (
        (replica.ongoing + 1) * slowness.get(replica.url, 1.0),
        replica.ewma_latency_s or 0.0,
        replica.served,
    )
