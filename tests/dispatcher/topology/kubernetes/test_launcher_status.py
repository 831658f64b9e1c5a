"""How pipelines in a cluster are told of, and why their replicas do not start."""

import asyncio
from collections.abc import Callable

import pytest
import yaml

from dispatcher.errors import ClusterConflictError, ClusterRefusedError, ClusterUnavailableError
from dispatcher.pipelines.changes import StepChange
from dispatcher.topology.kubernetes import patience
from dispatcher.topology.kubernetes.access import ClusterApi
from dispatcher.topology.kubernetes.launcher import KubernetesLauncher
from dispatcher.topology.status import StepStatus, TopologyState
from tests.dispatcher.topology.kubernetes.pipelines import GENEROUS, ID, pipeline_of
from tests.kubernetes_api.cluster import Cluster
from tests.kubernetes_api.pod_states import Trouble

NAME = f"{ID}-step-0"
ONE = pipeline_of({"type": "classifier"})
TWO = pipeline_of({"type": "blur"}, {"type": "classifier"})
WITHIN_S = 10.0


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 0.01)


async def step_when(
    launcher: KubernetesLauncher, is_so: Callable[[StepStatus], bool]
) -> StepStatus:
    """The first step as soon as it is like this."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            step = (await launcher.pipelines())[0].steps[0]
            if is_so(step):
                return step
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("trouble", "said", "state"),
    [
        (Trouble.IMAGE_PULL, "ImagePullBackOff: Back-off pulling image", TopologyState.DEGRADED),
        (Trouble.CRASH_LOOP, "it ended with status 1: KeyError: 'x'", TopologyState.DEGRADED),
        (Trouble.REFUSES, "unknown model 'refuses'", TopologyState.FAILED),
        (Trouble.OUT_OF_MEMORY, "OOMKilled with status 137", TopologyState.DEGRADED),
        (Trouble.CONFIG, "CreateContainerConfigError: configmap", TopologyState.FAILED),
        (Trouble.UNSCHEDULABLE, "Unschedulable: 0/", TopologyState.DEGRADED),
        (Trouble.VOLUME, "FailedMount: MountVolume.SetUp failed", TopologyState.DEGRADED),
    ],
)
async def test_a_step_says_why_its_replicas_do_not_start(
    cluster: Cluster,
    launcher: KubernetesLauncher,
    trouble: Trouble,
    said: str,
    state: TopologyState,
) -> None:
    cluster.pods.trouble(ID, trouble)
    await launcher.create(ONE)
    step = await step_when(launcher, lambda step: step.reason is not None)
    assert step.reason is not None
    assert step.reason.startswith(said)
    assert step.state is state
    assert (step.replicas.desired, step.replicas.ready) == (1, 0)
    cluster.pods.recover()
    cluster.edit("Deployment", NAME, lambda document: document["metadata"].update(annotations={}))
    step = await step_when(launcher, lambda step: step.state is TopologyState.READY)
    assert step.reason is None


async def test_a_quota_that_lets_no_pod_in_is_told(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "steps"},
            "spec": {"hard": {"pods": "0"}},
        }
    )
    await launcher.create(ONE)
    step = await step_when(launcher, lambda step: step.reason is not None)
    assert step.reason is not None
    assert "FailedCreate" in step.reason
    assert "exceeded quota: steps" in step.reason


async def test_folders_of_a_host_that_pod_security_does_not_let_in_are_told(
    cluster: Cluster, api: ClusterApi
) -> None:
    launcher = KubernetesLauncher(api, policy=GENEROUS)
    await launcher.create(pipeline_of({"type": "blur", "volumes": ["cuda"]}))
    step = await step_when(launcher, lambda step: step.reason is not None)
    assert step.state is TopologyState.FAILED
    assert step.reason is not None
    assert 'violates PodSecurity "restricted' in step.reason
    assert step.volumes == ("cuda",)


async def test_a_deployment_that_somebody_deleted_is_missed(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(ONE)
    cluster.remove("Deployment", NAME)
    step = await step_when(launcher, lambda step: step.state is TopologyState.FAILED)
    assert step.reason == "the step has no Deployment in the cluster"
    with pytest.raises(ClusterConflictError, match="no Deployment"):
        await launcher.change(ID, "0", StepChange(replicas=2))
    text = cluster.get("ConfigMap", NAME)["data"]["PIPELINE_CONFIG"]
    assert yaml.safe_load(text)["replicas"] == 1
    await launcher.remove(ID)
    assert await launcher.pipelines() == []


async def test_what_was_scaled_by_others_is_shown_as_it_is(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(ONE)
    cluster.edit("Deployment", NAME, lambda document: document["spec"].update(replicas=3))
    step = await step_when(launcher, lambda step: step.replicas.ready == 3)
    counts = step.replicas
    assert (counts.desired, counts.min, counts.max) == (3, 3, 3)


async def test_the_way_in_is_told_with_its_port_of_the_nodes(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(TWO)
    (pipeline,) = await launcher.pipelines()
    assert pipeline.entry.url == f"http://{NAME}.conveyor-steps.svc:5000"
    (port,) = cluster.get("Service", NAME)["spec"]["ports"]
    assert pipeline.entry.node_port == port["nodePort"]


async def test_a_spoilt_record_stays_what_it_was_and_can_be_removed(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(ONE)
    before = await launcher.pipelines()
    cluster.edit("ConfigMap", NAME, lambda document: document.update(data={"PIPELINE_CONFIG": "["}))
    (after,) = await launcher.pipelines()
    assert (after.name, after.steps[0].type) == (before[0].name, "classifier")
    with pytest.raises(ClusterConflictError):
        await launcher.change(ID, "0", StepChange(replicas=2))
    await launcher.remove(ID)
    assert cluster.objects("ConfigMap") == []


async def test_a_cluster_that_does_not_answer_is_said_to(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(ONE)
    cluster.stop_answering()
    with pytest.raises(ClusterUnavailableError):
        await launcher.pipelines()
    cluster.answer_again()
    assert len(await launcher.pipelines()) == 1


async def test_what_may_not_be_looked_at_is_refused_in_the_clusters_words(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    cluster.refuse(verb="list", resource="pods", message="User x cannot list resource pods")
    with pytest.raises(ClusterRefusedError, match="cannot list resource pods"):
        await launcher.pipelines()
