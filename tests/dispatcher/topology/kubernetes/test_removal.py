"""A pipeline leaves nothing, and nothing else goes with it: security.md K17."""

import asyncio
import logging

import pytest

from dispatcher.errors import ClusterRefusedError, UnknownPipelineError
from dispatcher.topology.kubernetes import patience
from dispatcher.topology.kubernetes.access import ClusterApi, ClusterError
from dispatcher.topology.kubernetes.launcher import KubernetesLauncher
from dispatcher.topology.kubernetes.object_client import objects_in
from dispatcher.topology.kubernetes.observed import ObjectMetadata
from dispatcher.topology.kubernetes.removal import Remover
from tests.dispatcher.topology.kubernetes.pipelines import ID, pipeline_of
from tests.kubernetes_api.cluster import Cluster

NAME = f"{ID}-step-0"
KINDS = ("Deployment", "PodDisruptionBudget", "Service", "ConfigMap")
TWO = pipeline_of({"type": "blur"}, {"type": "classifier"})


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 0.01)


def left_in(cluster: Cluster) -> list[str]:
    return [
        f"{kind} {found['metadata']['name']}" for kind in KINDS for found in cluster.objects(kind)
    ]


async def test_the_answer_names_what_there_was(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(TWO)
    removed = await launcher.remove(ID)
    assert [(thing.kind, thing.name) for thing in removed] == [
        (kind, f"{ID}-step-{step}") for kind in KINDS for step in (0, 1)
    ]
    assert left_in(cluster) == []


async def test_objects_without_the_label_stay(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(TWO)
    for name, labels in (
        ("bare", {}),
        ("other", {"pipeline_id": "pipeline-00000002", "app": "nn-service"}),
        (f"{ID}-notes", {"pipeline": ID}),
    ):
        metadata = {"name": name, "labels": labels}
        cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    await launcher.remove(ID)
    assert left_in(cluster) == [
        "ConfigMap bare",
        "ConfigMap other",
        f"ConfigMap {ID}-notes",
    ]


async def test_of_a_pipeline_that_was_not_made_to_the_end_the_drafts_go_last(
    cluster: Cluster, launcher: KubernetesLauncher, api: ClusterApi
) -> None:
    await launcher.create(TWO)
    draft = f"{ID}-step-1"
    cluster.edit(
        "ConfigMap", draft, lambda found: found["metadata"]["labels"].update(app="nn-service-draft")
    )
    cluster.refuse(verb="delete", resource="configmaps", name=NAME)
    cluster.delay(0.2, verb="delete", resource="configmaps")
    creation = cluster.get("ConfigMap", draft)["metadata"]["labels"]["conveyor/creation"]
    with pytest.raises(ClusterError):
        await Remover(objects_in(api)).remove(ID, creation=creation)
    # Without its draft, the record that is left would be taken for all of the pipeline.
    assert left_in(cluster) == [f"ConfigMap {NAME}", f"ConfigMap {draft}"]


async def test_every_deletion_names_an_object_by_its_uid(
    cluster: Cluster, launcher: KubernetesLauncher, api: ClusterApi
) -> None:
    await launcher.create(TWO)
    found = cluster.get("ConfigMap", NAME)["metadata"]
    stale = ObjectMetadata(name=NAME, uid="00000000-0000-0000-0000-000000000000")
    await objects_in(api).config_maps.delete(stale)
    assert cluster.get("ConfigMap", NAME)["metadata"]["uid"] == found["uid"]
    await launcher.remove(ID)
    deletions = [call for call in cluster.calls if call.verb.startswith("delete")]
    assert {call.verb for call in deletions} == {"delete"}
    assert all(call.name for call in deletions)


async def test_replicas_end_before_their_record_goes(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(TWO)
    while len(cluster.objects("Pod")) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    cluster.pods.end_after_s = 0.6
    removing = asyncio.create_task(launcher.remove(ID))
    while cluster.objects("Deployment"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert cluster.objects("Pod")
    assert len(cluster.objects("ConfigMap")) == 2
    await removing
    assert cluster.objects("Pod") == []


async def test_a_pod_that_never_ends_is_not_waited_for_forever(
    cluster: Cluster,
    launcher: KubernetesLauncher,
    api: ClusterApi,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await launcher.create(TWO)
    while len(cluster.objects("Pod")) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    cluster.pods.end_after_s = 60.0
    with caplog.at_level(logging.WARNING):
        await Remover(objects_in(api), pods_within_s=0.3).remove(ID)
    assert left_in(cluster) == []
    assert "Pods that shall go are still there" in caplog.text


@pytest.mark.parametrize("resource", ["deployments", "poddisruptionbudgets", "configmaps"])
async def test_a_removal_that_breaks_off_can_be_asked_for_again(
    cluster: Cluster, launcher: KubernetesLauncher, resource: str
) -> None:
    await launcher.create(TWO)
    cluster.refuse(verb="delete", resource=resource, message="User x cannot delete")
    with pytest.raises(ClusterRefusedError, match="cannot delete"):
        await launcher.remove(ID)
    assert [pipeline.pipeline_id for pipeline in await launcher.pipelines()] == [ID]
    await launcher.remove(ID)
    assert left_in(cluster) == []


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_deletion_whose_answer_is_lost_is_no_failure(
    cluster: Cluster, launcher: KubernetesLauncher, after_effect: bool
) -> None:
    await launcher.create(TWO)
    cluster.drop(verb="delete", after_effect=after_effect, times=3)
    await launcher.remove(ID)
    assert left_in(cluster) == []


async def test_the_cluster_removes_a_pipeline_whose_records_somebody_deletes(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    await launcher.create(TWO)
    for step in (0, 1):
        cluster.remove("ConfigMap", f"{ID}-step-{step}")
    while left_in(cluster) or cluster.objects("Pod"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    with pytest.raises(UnknownPipelineError):
        await launcher.remove(ID)
