"""Which topology a setting means."""

import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.errors import StartupError
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.health import HealthPolicy
from dispatcher.settings import load_settings
from dispatcher.telemetry.metrics import Metrics
from dispatcher.topology.base import Topology
from dispatcher.topology.files import FileLauncher
from dispatcher.topology.kubernetes.discovery import KubernetesDiscovery
from dispatcher.topology.kubernetes.launcher import KubernetesLauncher
from dispatcher.topology.local import LocalLauncher
from dispatcher.topology.records import RecordDirectory
from dispatcher.wiring_topology import build_topology


def topology_of(*flags: str) -> Topology:
    client = ReplicaClient()
    pools = PoolDirectory(client=client, policy=HealthPolicy())
    return build_topology(load_settings(flags), client=client, pools=pools, metrics=Metrics())


def test_on_one_machine_the_default_pipeline_is_waited_for(tmp_path: Path) -> None:
    topology = topology_of("--replicas", "3", "--data-dir", str(tmp_path))
    assert isinstance(topology.launcher, LocalLauncher)
    assert topology.awaited_replicas == 3
    assert topology.cluster is None


def test_files_say_which_replicas_others_run(tmp_path: Path) -> None:
    topology = topology_of("--topology", "files", "--records-dir", str(tmp_path))
    assert isinstance(topology.launcher, FileLauncher)
    assert isinstance(topology.discovery, RecordDirectory)
    assert (topology.awaited_replicas, topology.may_be_scaled) == (0, False)


def test_in_a_cluster_pipelines_come_and_go() -> None:
    topology = topology_of("--topology", "kubernetes")
    assert isinstance(topology.launcher, KubernetesLauncher)
    assert isinstance(topology.discovery, KubernetesDiscovery)
    assert topology.awaited_replicas == 0
    assert topology.cluster is not None


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--pod-cidrs", "10.0.0.0/99"], "--pod-cidrs: "),
        (["--pod-cidrs", ""], "--pod-cidrs: "),
        (["--step-volumes", "etc=/etc"], "--step-volumes: 'etc' is none of"),
    ],
)
def test_a_setting_that_cannot_be_is_told_at_the_start(flags: list[str], complaint: str) -> None:
    with pytest.raises(StartupError, match=complaint):
        topology_of("--topology", "kubernetes", *flags)


def test_one_machine_does_not_load_the_client_of_a_cluster() -> None:
    code = "import sys, dispatcher.server; print('kubernetes' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "False"
