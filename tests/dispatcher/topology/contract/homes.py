"""The backends of a topology, each with what the world around it does to it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import psutil
import pytest

from dispatcher.pools.client import ReplicaClient
from dispatcher.topology.base import Discovery, Launcher
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.environment import LocalLimits
from dispatcher.topology.kubernetes.access import ClusterApi
from dispatcher.topology.kubernetes.discovery import KubernetesDiscovery
from dispatcher.topology.kubernetes.endpoints import parse_networks
from dispatcher.topology.kubernetes.launcher import KubernetesLauncher
from dispatcher.topology.kubernetes.permissions import StepPolicy
from dispatcher.topology.local import LocalLauncher
from dispatcher.topology.records import RecordDirectory
from tests.dispatcher.topology.workshop import TINY
from tests.kubernetes_api.cluster import STEPS_NAMESPACE, Cluster
from tests.kubernetes_api.kinds import BY_NAME, labels_of
from tests.kubernetes_api.pod_states import Trouble
from tests.kubernetes_api.shipped import shipped

WRITER: Final = "conveyor/dispatcher-writer"
"""The account that is shipped; whatever its roles do not grant is refused in these tests."""
POD_NETWORKS: Final = "127.64.0.0/10"
"""Where the stand-in's pods have their addresses."""


class Home(Protocol):
    """A backend that is open."""

    launcher: Launcher
    discovery: Discovery

    async def reopen(self) -> None:
        """End the dispatcher's part and start another one in the same surroundings."""
        ...

    async def close(self) -> None:
        """End everything."""
        ...

    def doom(self, records: Sequence[StepRecord]) -> Sequence[StepRecord]:
        """Return a pipeline whose replicas can never start."""
        ...

    def fail_next_creation(self) -> None:
        """Have something that a pipeline needs not be made, after other things of it were."""
        ...

    def spoil(self, name: str) -> None:
        """Make a record one that cannot be read."""
        ...

    def mend(self, name: str) -> None:
        """Make it what it was."""
        ...

    def left_of(self, pipeline_id: str) -> list[str]:
        """Return what exists because of a pipeline."""
        ...


class LocalHome:
    """This machine: files and processes."""

    def __init__(
        self, folder: Path, client: ReplicaClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._folder = folder
        self._client = client
        self._monkeypatch = monkeypatch
        self._texts: dict[str, str] = {}
        self._build()

    def _build(self) -> None:
        self._records = RecordDirectory(self._folder)
        self.discovery: Discovery = self._records
        self.launcher: Launcher = LocalLauncher(
            [],
            records=self._records,
            client=self._client,
            limits=LocalLimits(
                model_cache_dir=self._folder / "models",
                records_dir=self._folder,
                max_batch_size=4,
                command=TINY,
            ),
        )

    async def open(self) -> None:
        await self.launcher.start()

    async def reopen(self) -> None:
        await self.launcher.close()
        self._build()
        await self.launcher.start()

    async def close(self) -> None:
        await self.launcher.close()

    def doom(self, records: Sequence[StepRecord]) -> Sequence[StepRecord]:
        def refusing(step: Any) -> Any:
            return {**step, "params": {**step["params"], "model": "refuses"}}

        return [
            dataclasses.replace(record, steps=tuple(map(refusing, record.steps)))
            for record in records
        ]

    def fail_next_creation(self) -> None:
        write = self._records.write
        written: list[StepRecord] = []

        def fail(record: StepRecord) -> None:
            if written:
                self._monkeypatch.setattr(self._records, "write", write)
                raise OSError(28, "No space left on device")
            written.append(record)
            write(record)

        self._monkeypatch.setattr(self._records, "write", fail)

    def spoil(self, name: str) -> None:
        path = self._folder / f"{name}.yaml"
        self._texts[name] = path.read_text()
        path.write_text("steps: [")

    def mend(self, name: str) -> None:
        (self._folder / f"{name}.yaml").write_text(self._texts[name])

    def left_of(self, pipeline_id: str) -> list[str]:
        files = [path.name for path in self._folder.glob(f"*{pipeline_id}*")]
        running = []
        for process in psutil.Process().children():
            try:
                if pipeline_id in process.environ().get("PIPELINE_CONFIG", ""):
                    running.append(f"process {process.pid}")
            except psutil.Error:
                continue  # it has ended
        return files + running


class KubernetesHome:
    """A namespace of a cluster."""

    def __init__(self, cluster: Cluster, folder: Path, *, account: str = WRITER) -> None:
        self._cluster = cluster
        cluster.load(shipped("dispatcher.yaml"))
        self._kubeconfig = cluster.kubeconfig(folder, account)
        self._texts: dict[str, str] = {}
        self._build()

    def _build(self) -> None:
        self._api = ClusterApi(namespace=STEPS_NAMESPACE, kubeconfig=self._kubeconfig)
        self.discovery: Discovery = KubernetesDiscovery(
            self._api, pod_networks=parse_networks(POD_NETWORKS)
        )
        policy = StepPolicy(namespace=STEPS_NAMESPACE, image="step:0.1.0", max_batch_size=4)
        self.launcher: Launcher = KubernetesLauncher(self._api, policy=policy)

    async def open(self) -> None:
        await self._api.start()
        await self.launcher.start()

    async def reopen(self) -> None:
        await self.close()
        self._build()
        await self.open()

    async def close(self) -> None:
        await self.launcher.close()
        await self._api.close()

    def doom(self, records: Sequence[StepRecord]) -> Sequence[StepRecord]:
        self._cluster.pods.trouble(records[0].key.pipeline_id, Trouble.REFUSES)
        return records

    def fail_next_creation(self) -> None:
        self._cluster.refuse(verb="create", resource="deployments", message="no more of these")

    def spoil(self, name: str) -> None:
        def spoil(document: Any) -> None:
            self._texts[name] = document["data"]["PIPELINE_CONFIG"]
            document["data"]["PIPELINE_CONFIG"] = "steps: ["

        self._cluster.edit("ConfigMap", name, spoil)

    def mend(self, name: str) -> None:
        text = self._texts[name]
        self._cluster.edit(
            "ConfigMap", name, lambda document: document["data"].update(PIPELINE_CONFIG=text)
        )

    def left_of(self, pipeline_id: str) -> list[str]:
        return [
            f"{kind.name} {document['metadata']['name']}"
            for kind in BY_NAME.values()
            if kind.name != "Event"  # an hour later they go by themselves
            for document in self._cluster.objects(kind.name)
            if pipeline_id in (document["metadata"]["name"], *labels_of(document).values())
        ]
