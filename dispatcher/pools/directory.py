"""All pools by step."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.health import FailureKind, HealthPolicy
from dispatcher.pools.pool import Pool
from dispatcher.pools.replica import Replica
from dispatcher.pools.room import RoomSignal

_READY_POLL_S: Final = 0.05


class PoolDirectory:
    """Finds the pool of a step and keeps the set of pools like the records say."""

    def __init__(
        self,
        *,
        client: ReplicaClient,
        policy: HealthPolicy,
        on_ejected: Callable[[FailureKind], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._policy = policy
        self._on_ejected = on_ejected
        self._pools: dict[str, Pool] = {}
        self._leaving: list[Pool] = []
        """Of steps that are gone, with work on the road."""
        self.room = RoomSignal()

    def get(self, step: str) -> Pool:
        """Return the pool of a step; one without replicas when no record names it."""
        if step not in self._pools:
            self._pools[step] = Pool(
                step,
                client=self._client,
                policy=self._policy,
                on_room=self.room.notify,
                on_ejected=self._on_ejected,
            )
        return self._pools[step]

    def apply(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Take the URLs of the replicas of every step."""
        for step in [step for step in self._pools if step not in wanted]:
            # What is in work comes to its end; what waits there fails when its patience ends;
            # new items find a new pool.
            pool = self._pools.pop(step)
            pool.set_replicas([])
            self._leaving.append(pool)
        self._leaving = [pool for pool in self._leaving if not pool.is_idle]
        for step, urls in wanted.items():
            self.get(step).set_replicas(urls)
        self.room.notify()

    def pools(self) -> list[Pool]:
        """Return all pools."""
        return list(self._pools.values())

    def replicas(self) -> list[Replica]:
        """Return all replicas of all pools."""
        return [replica for pool in self._pools.values() for replica in pool.replicas]

    def slots(self) -> int:
        """Return how many items all ready replicas may have together."""
        return sum(pool.slots for pool in self._pools.values())

    async def wait_all_ready(self, step: str, count: int) -> None:
        """Wait until at least so many replicas of a step are known and all of them are ready."""
        while True:
            replicas = self.get(step).replicas
            if len(replicas) >= count and all(replica.is_ready for replica in replicas):
                return
            await asyncio.sleep(_READY_POLL_S)

    async def close(self) -> None:
        """Give back all work."""
        for pool in (*self._pools.values(), *self._leaving):
            await pool.close()
