"""Probes every replica, all the time: the thin loop behind ``health``."""

import asyncio
import contextlib
import time

from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.health import HealthPolicy
from dispatcher.pools.pool import Pool
from dispatcher.pools.replica import Replica, ReplicaState

_Key = tuple[str, str]
"""Step and URL: one process may serve several steps, and is probed for each."""


class HealthMonitor:
    """Asks every replica ``/readyz``: a starting one often, a ready one each second."""

    def __init__(
        self, directory: PoolDirectory, *, client: ReplicaClient, policy: HealthPolicy
    ) -> None:
        self._directory = directory
        self._client = client
        self._policy = policy
        self._due: dict[_Key, float] = {}
        self._probing: dict[_Key, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Probe until cancelled."""
        try:
            while True:
                self._probe_due()
                await asyncio.sleep(self._pause_s())
        finally:
            for task in self._probing.values():
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*self._probing.values(), return_exceptions=True)

    def _probe_due(self) -> None:
        now = time.monotonic()
        known = set()
        for pool in self._directory.pools():
            for replica in pool.replicas:
                key = (replica.step, replica.url)
                known.add(key)
                if key not in self._probing and now >= self._due.get(key, 0.0):
                    self._probing[key] = asyncio.create_task(self._probe(pool, replica))
        self._due = {key: due for key, due in self._due.items() if key in known}

    async def _probe(self, pool: Pool, replica: Replica) -> None:
        try:
            report = await self._client.probe(replica.url, timeout_s=self._policy.probe_timeout_s)
            pool.apply_probe(replica, report)
        finally:
            key = (replica.step, replica.url)
            self._due[key] = time.monotonic() + self._interval_s(replica)
            self._probing.pop(key, None)

    def _interval_s(self, replica: Replica) -> float:
        if replica.state is ReplicaState.STARTING:
            return self._policy.starting_probe_interval_s
        return self._policy.probe_interval_s

    def _pause_s(self) -> float:
        replicas = self._directory.replicas()
        is_any_starting = any(r.state is ReplicaState.STARTING for r in replicas)
        return self._policy.starting_probe_interval_s if is_any_starting or not replicas else 0.5
