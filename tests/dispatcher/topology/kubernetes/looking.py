"""Looks at a cluster for as long as a test does, and remembers what was seen last."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.kubernetes.access import ClusterApi
from dispatcher.topology.kubernetes.discovery import KubernetesDiscovery
from dispatcher.topology.kubernetes.endpoints import parse_networks
from dispatcher.topology.kubernetes.pace import Pace
from tests.dispatcher.topology.kubernetes.config_maps import NAMESPACE, labels_of
from tests.dispatcher.waiting import until

CHANGE_S = 5.0
"""Within which a change acts."""
SWIFT = Pace(relist_s=600, first_retry_s=0.02, last_retry_s=0.1, complain_s=0.2)
"""Lists again only when something happened."""


class Looker:
    """What discovery says."""

    def __init__(self, discovery: KubernetesDiscovery) -> None:
        self.discovery = discovery
        self.snapshots: list[Sequence[StepRecord]] = []

    async def run(self) -> None:
        async for records in self.discovery.snapshots():
            self.snapshots.append(records)

    @property
    def replicas(self) -> dict[str, int]:
        """How many replicas each record wants, by step."""
        return {str(record.key): record.replicas for record in self.snapshots[-1]}

    @property
    def urls(self) -> dict[str, Sequence[str]]:
        """Where the replicas of each step answer."""
        return {str(record.key): record.endpoints for record in self.snapshots[-1]}

    async def sees(self, replicas: Mapping[str, int]) -> None:
        """Wait until exactly these records are seen."""
        await until(lambda: self.snapshots and self.replicas == replicas, within_s=CHANGE_S)

    async def finds(self, step: str, *urls: str) -> None:
        """Wait until a step has exactly these replicas."""
        await until(
            lambda: self.snapshots and self.urls.get(step) == tuple(urls), within_s=CHANGE_S
        )


@asynccontextmanager
async def looking(api: ClusterApi, pace: Pace = SWIFT) -> AsyncIterator[Looker]:
    """Look until the test ends; discovery must not end before."""
    networks = parse_networks("10.0.0.0/8")
    looker = Looker(KubernetesDiscovery(api, pod_networks=networks, pace=pace))
    task = asyncio.create_task(looker.run())
    try:
        yield looker
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def slice_document(*addresses: str, name: str = "birds-step-0-x1", ready: bool = True) -> Any:
    """The EndpointSlice of the step ``birds/0`` as one writes it."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {**labels_of(), "kubernetes.io/service-name": "birds-step-0"},
        },
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": ready}} for address in addresses
        ],
        "ports": [{"name": "http", "port": 5000, "protocol": "TCP"}],
    }
