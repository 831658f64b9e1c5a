"""The loop of all controllers: they look again after every change, until nothing is left to do."""

import asyncio
import logging
from typing import Final

from tests.kubernetes_api.deployments import reconcile_deployments, reconcile_replica_sets
from tests.kubernetes_api.garbage import collect
from tests.kubernetes_api.kinds import BY_NAME, name_of
from tests.kubernetes_api.kubelet import Kubelet, Pods
from tests.kubernetes_api.services import reconcile_services
from tests.kubernetes_api.store import Change, Store

_log = logging.getLogger(__name__)
_TICK_S: Final = 0.01
"""How soon to look again when something changes by itself."""
_WATCHED: Final = {
    BY_NAME["Namespace"],
    BY_NAME["Deployment"],
    BY_NAME["ReplicaSet"],
    BY_NAME["Pod"],
    BY_NAME["Service"],
    BY_NAME["EndpointSlice"],
}


class Controllers:
    """Everything that acts by itself; lives in one event loop."""

    def __init__(self, store: Store, pods: Pods) -> None:
        self._store = store
        self._kubelet = Kubelet(store, pods)
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._has_garbage = False
        self._unlisten = store.listen(self._note)

    async def run(self) -> None:
        """Act until cancelled."""
        while True:
            self._wake.clear()
            try:
                is_busy = self._act()
            except Exception:
                _log.exception("a controller failed")
                raise
            try:
                async with asyncio.timeout(_TICK_S if is_busy else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def close(self) -> None:
        """End all pods."""
        self._unlisten()
        self._kubelet.close()

    def _act(self) -> bool:
        with self._store.lock:
            if self._has_garbage:
                self._has_garbage = False
                collect(self._store)
            self._make_accounts()
            reconcile_deployments(self._store)
            is_refused = reconcile_replica_sets(self._store)
            is_busy = self._kubelet.reconcile()
            reconcile_services(self._store)
        return is_busy or is_refused

    def _make_accounts(self) -> None:
        """Give each namespace the account that its pods have when they name none."""
        kind = BY_NAME["ServiceAccount"]
        for namespace in map(name_of, self._store.all(BY_NAME["Namespace"])):
            if self._store.find(kind, namespace, "default") is None:
                account = {
                    "kind": kind.name,
                    "apiVersion": kind.api_version,
                    "metadata": {"name": "default", "namespace": namespace},
                }
                self._store.add(kind, account, manager="kube-controller-manager")

    def _note(self, change: Change) -> None:
        metadata = change.document["metadata"]
        if change.after is None or "ownerReferences" in metadata or "finalizers" in metadata:
            self._has_garbage = True
        elif change.kind not in _WATCHED:
            return
        self._loop.call_soon_threadsafe(self._wake.set)
