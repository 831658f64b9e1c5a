"""Which steps exist in a cluster, and where their replicas answer."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, NoReturn

from dispatcher.errors import StartupError
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.kubernetes.access import ClusterApi
from dispatcher.topology.kubernetes.endpoints import Network, find_replicas, group_by_step
from dispatcher.topology.kubernetes.finished import finished
from dispatcher.topology.kubernetes.kinds import ConfigMap, EndpointSlice
from dispatcher.topology.kubernetes.labels import RECORDS_SELECTOR, STEPS_SELECTOR
from dispatcher.topology.kubernetes.ledger import RecordLedger
from dispatcher.topology.kubernetes.pace import Pace
from dispatcher.topology.kubernetes.validation import ClusterStep
from dispatcher.topology.kubernetes.watching import DENIED, Watcher

_log = logging.getLogger(__name__)
_CALM_S: Final = 0.05
"""Changes that come within this are applied together."""


class KubernetesDiscovery:
    """A ``Discovery`` over the ConfigMaps and EndpointSlices of one namespace."""

    def __init__(
        self,
        cluster: ClusterApi,
        *,
        pod_networks: Sequence[Network],
        pace: Pace = Pace(),  # noqa: B008 - frozen
    ) -> None:
        """Prepare to look.

        Args:
            cluster: started before the first snapshot is asked for.
            pod_networks: where pods have their addresses; images go nowhere else.
            pace: how often the API server is asked.
        """
        self._cluster = cluster
        self._pod_networks = pod_networks
        self._pace = pace
        self._ledger = RecordLedger(namespace=cluster.namespace)
        self._watchers: tuple[Watcher[ConfigMap] | Watcher[EndpointSlice], ...] = ()
        self._refused: frozenset[str] = frozenset()

    def age_s(self) -> float:
        """Return how long ago the API server last said what exists; 0 before the start."""
        return max((watcher.age_s() for watcher in self._watchers), default=0.0)

    def rejected(self) -> int:
        """Return how many records are not used as they are now, or not at all."""
        return self._ledger.rejected

    async def snapshots(self) -> AsyncIterator[Sequence[StepRecord]]:
        """Yield all records with the URLs of their ready replicas, now and after every change.

        Raises:
            StartupError: this service may not look, and has not seen anything before.
        """
        changed = asyncio.Event()
        config_maps = Watcher(
            self._cluster,
            self._cluster.core.list_namespaced_config_map_without_preload_content,
            ConfigMap,
            label_selector=RECORDS_SELECTOR,
            on_change=changed.set,
            pace=self._pace,
        )
        slices = Watcher(
            self._cluster,
            self._cluster.discovery.list_namespaced_endpoint_slice_without_preload_content,
            EndpointSlice,
            label_selector=STEPS_SELECTOR,
            on_change=changed.set,
            pace=self._pace,
        )
        self._watchers = (config_maps, slices)
        before: list[StepRecord] | None = None
        async with _running(self._watchers, on_end=changed.set) as tasks:
            while True:
                await changed.wait()
                changed.clear()
                for task in tasks:
                    if task.done():
                        await task  # raises why it ended
                self._check_allowed()
                if config_maps.known is None or slices.known is None:
                    continue
                # The event loop goes on while YAML is read.
                steps = await asyncio.to_thread(self._read, config_maps.known)
                records = self._locate(steps, slices.known.values())
                if records != before:
                    before = records
                    yield records
                await asyncio.sleep(_CALM_S)

    def _check_allowed(self) -> None:
        """Raise when nothing was ever seen because it is forbidden: somebody has to act."""
        for watcher in self._watchers:
            failure = watcher.failure
            if watcher.known is None and failure is not None and failure.status in DENIED:
                raise StartupError(
                    f"the cluster does not let this service look: {failure.message}"
                ) from failure

    def _read(self, config_maps: Mapping[str, ConfigMap]) -> Sequence[ClusterStep]:
        """Return the good records of the pipelines that are made to the end."""
        return self._ledger.update(
            {each.metadata.name: each for each in finished(config_maps.values())}
        )

    def _locate(
        self, steps: Sequence[ClusterStep], slices: Iterable[EndpointSlice]
    ) -> list[StepRecord]:
        """Return the records of these steps with the URLs of their ready replicas."""
        grouped = group_by_step(slices)
        records = []
        refused: set[str] = set()
        for step in steps:
            found = find_replicas(
                grouped.get(step.record.key, ()),
                service=step.service,
                networks=self._pod_networks,
            )
            refused.update(found.refused)
            records.append(replace(step.record, endpoints=found.urls))
        for address in sorted(refused - self._refused):
            _log.error("no image goes to %s: it is in none of the pods' networks", address)
        self._refused = frozenset(refused)
        return records


@asynccontextmanager
async def _running(
    watchers: Iterable[Watcher[ConfigMap] | Watcher[EndpointSlice]], *, on_end: Callable[[], None]
) -> AsyncIterator[Sequence["asyncio.Task[NoReturn]"]]:
    """Run watchers for as long as somebody looks."""
    tasks = [asyncio.create_task(watcher.run()) for watcher in watchers]
    for task in tasks:
        task.add_done_callback(lambda _: on_end())
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
