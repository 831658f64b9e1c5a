"""What is peculiar to pipelines in a cluster; what all launchers promise is in ``contract``."""

import asyncio
import logging

import pytest
import yaml

from dispatcher.errors import (
    ClusterConflictError,
    ClusterQuotaError,
    InvalidPipelineError,
)
from dispatcher.pipelines.changes import StepChange
from dispatcher.pipelines.replica_range import ReplicaRange
from dispatcher.topology.kubernetes import patience
from dispatcher.topology.kubernetes.access import ClusterApi
from dispatcher.topology.kubernetes.launcher import KubernetesLauncher
from tests.dispatcher.topology.kubernetes.pipelines import GENEROUS, ID, pipeline_of
from tests.dispatcher.waiting import until
from tests.kubernetes_api.cluster import Cluster
from tests.kubernetes_api.kinds import Document

NAME = f"{ID}-step-0"
ONE = pipeline_of({"type": "classifier"})
TWO = pipeline_of({"type": "blur"}, {"type": "classifier"})
WITHIN_S = 10.0


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 0.01)


def config_of(cluster: Cluster, name: str) -> Document:
    text = cluster.get("ConfigMap", name)["data"]["PIPELINE_CONFIG"]
    return dict(yaml.safe_load(text))


async def test_the_record_and_the_deployment_say_the_same(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(TWO)
    change = StepChange(replicas=3, replica_range=ReplicaRange(2, 5))
    await launcher.change(ID, "1", change)
    config = config_of(cluster, f"{ID}-step-1")
    assert (config["replicas"], config["min_replicas"], config["max_replicas"]) == (3, 2, 5)
    assert cluster.get("Deployment", f"{ID}-step-1")["spec"]["replicas"] == 3
    assert config_of(cluster, NAME)["replicas"] == 1
    assert config["service"] == f"http://{ID}-step-1.conveyor-steps.svc:5000"


async def test_where_pictures_go_is_in_the_records_of_all_steps(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(pipeline_of({"type": "blur"}, {"type": "blur"}, {"type": "blur"}))
    await launcher.change(ID, "0", StepChange(is_rerouted=True, preferred_next="2"))
    for step in range(3):
        steps = config_of(cluster, f"{ID}-step-{step}")["steps"]
        assert [one["preferred_next"] for one in steps] == ["2", None, None]


async def test_a_change_that_changes_nothing_writes_nothing(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(ONE)
    before = len([call for call in cluster.calls if call.verb == "patch"])
    await launcher.change(ID, "0", StepChange(is_rerouted=True, preferred_next=None))
    assert len([call for call in cluster.calls if call.verb == "patch"]) == before


async def test_records_are_as_before_when_the_deployment_cannot_be_scaled(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(pipeline_of({"type": "blur"}, {"type": "blur"}, {"type": "blur"}))
    before = [config_of(cluster, f"{ID}-step-{step}") for step in range(3)]
    cluster.refuse(verb="patch", resource="deployments/scale", message="exceeded quota: steps")
    with pytest.raises(ClusterQuotaError, match="exceeded quota"):
        await launcher.change(ID, "0", StepChange(replicas=9, is_rerouted=True, preferred_next="2"))
    assert [config_of(cluster, f"{ID}-step-{step}") for step in range(3)] == before
    assert cluster.get("Deployment", NAME)["spec"]["replicas"] == 1


async def test_the_end_waits_for_records_that_are_taken_back(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(ONE)
    cluster.delay(WITHIN_S, verb="patch", resource="deployments/scale")
    changing = asyncio.create_task(launcher.change(ID, "0", StepChange(replicas=2)))
    await until(lambda: config_of(cluster, NAME)["replicas"] == 2)
    cluster.delay(0.2, verb="patch", resource="configmaps")
    await until(lambda: _has_called(cluster, "deployments", "scale"))
    changing.cancel()
    patches = _count_patches(cluster)
    await until(lambda: _count_patches(cluster) > patches)
    changing.cancel()  # nobody waits for it any more
    with pytest.raises(asyncio.CancelledError):
        await changing
    assert config_of(cluster, NAME)["replicas"] == 2
    await launcher.close()
    assert config_of(cluster, NAME)["replicas"] == 1


def _has_called(cluster: Cluster, resource: str, subresource: str) -> bool:
    return any(
        (call.resource, call.subresource) == (resource, subresource) for call in cluster.calls
    )


def _count_patches(cluster: Cluster) -> int:
    return sum((call.verb, call.resource) == ("patch", "configmaps") for call in cluster.calls)


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("resource", ["configmaps", "deployments/scale"])
async def test_a_change_whose_answer_is_lost_is_made_all_the_same(
    cluster: Cluster, launcher: KubernetesLauncher, resource: str, after_effect: bool
) -> None:
    await launcher.create(ONE)
    cluster.drop(verb="patch", resource=resource, after_effect=after_effect)
    await launcher.change(ID, "0", StepChange(replicas=2))
    assert config_of(cluster, NAME)["replicas"] == 2
    assert cluster.get("Deployment", NAME)["spec"]["replicas"] == 2


async def test_of_changes_at_the_same_time_none_is_lost(launcher: KubernetesLauncher) -> None:
    await launcher.create(TWO)
    await asyncio.gather(
        launcher.change(ID, "0", StepChange(is_rerouted=True, preferred_next="1")),
        launcher.change(ID, "1", StepChange(replicas=3)),
        launcher.change(ID, "0", StepChange(replicas=2)),
    )
    (pipeline,) = await launcher.pipelines()
    assert [step.replicas.desired for step in pipeline.steps] == [2, 3]
    assert pipeline.steps[0].preferred_next == "1"


async def test_a_record_that_is_changed_again_and_again_is_a_conflict(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(ONE)
    cluster.refuse(
        verb="patch",
        resource="configmaps",
        status=409,
        reason="Conflict",
        message="the object has been modified",
        times=None,
    )
    with pytest.raises(ClusterConflictError, match="has been modified"):
        await launcher.change(ID, "0", StepChange(replicas=2))


# Not being allowed


async def test_what_the_administrator_does_not_allow_costs_no_call(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    before = len(cluster.calls)
    with pytest.raises(InvalidPipelineError, match="step 0: gpu"):
        await launcher.create(pipeline_of({"type": "blur", "gpu": 1}))
    assert len(cluster.calls) == before


async def test_a_launcher_that_may_change_nothing_does_not_try_to(
    cluster: Cluster, api: ClusterApi
) -> None:
    reader = KubernetesLauncher(api, policy=GENEROUS, may_change=False)
    supervising = asyncio.create_task(reader.supervise())
    await asyncio.sleep(0.05)
    assert not supervising.done()
    supervising.cancel()
    assert not cluster.calls
    await reader.close()


async def test_supervising_goes_on_while_the_cluster_does_not_answer(
    cluster: Cluster, launcher: KubernetesLauncher, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.refuse(verb="list", status=503, reason="ServiceUnavailable", times=None)
    with caplog.at_level(logging.WARNING):
        supervising = asyncio.create_task(launcher.supervise())
        async with asyncio.timeout(WITHIN_S):
            while "not removed yet" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert not supervising.done()
    supervising.cancel()
