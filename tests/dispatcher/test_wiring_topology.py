"""Which topology a setting means."""

import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.errors import StartupError
from dispatcher.pools.client import ReplicaClient
from dispatcher.settings import load_settings
from dispatcher.telemetry.metrics import Metrics
from dispatcher.topology.base import Topology
from dispatcher.topology.kubernetes.discovery import KubernetesDiscovery
from dispatcher.topology.kubernetes.launcher import KubernetesLauncher
from dispatcher.topology.local import LocalLauncher
from dispatcher.wiring_topology import build_topology


def topology_of(*flags: str) -> Topology:
    return build_topology(load_settings(flags), client=ReplicaClient(), metrics=Metrics())


def test_on_one_machine_the_default_pipeline_is_waited_for(tmp_path: Path) -> None:
    topology = topology_of("--replicas", "3", "--data-dir", str(tmp_path))
    assert isinstance(topology.launcher, LocalLauncher)
    assert topology.awaited_replicas == 3
    assert topology.cluster is None


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
