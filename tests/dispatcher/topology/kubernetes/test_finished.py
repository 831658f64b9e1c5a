"""No part of a pipeline is seen while it is made, nor when its maker died over it."""

import asyncio
from datetime import timedelta

import pytest

from dispatcher.errors import ClusterRefusedError, UnknownPipelineError
from dispatcher.pipelines.changes import StepChange
from dispatcher.topology.kubernetes.access import ClusterApi
from dispatcher.topology.kubernetes.creation import PipelineMaker
from dispatcher.topology.kubernetes.finished import finished
from dispatcher.topology.kubernetes.kinds import ConfigMap
from dispatcher.topology.kubernetes.launcher import KubernetesLauncher
from dispatcher.topology.kubernetes.object_client import objects_in
from dispatcher.topology.kubernetes.removal import Remover
from tests.dispatcher.topology.kubernetes.config_maps import config_map_of
from tests.dispatcher.topology.kubernetes.looking import looking
from tests.dispatcher.topology.kubernetes.pipelines import ID, POLICY, pipeline_of
from tests.dispatcher.waiting import until
from tests.kubernetes_api.cluster import Cluster

TWO = pipeline_of({"type": "blur"}, {"type": "classifier"})
SEEN = {f"{ID}/0": 1, f"{ID}/1": 1}


def record(step_id: str, *, creation: str = "c1", is_draft: bool = False) -> ConfigMap:
    labels = {"conveyor/creation": creation} if creation else {}
    app = {"app": "nn-service-draft"} if is_draft else {}
    return config_map_of("birds", step_id, labels={**labels, **app})


def apps_of(cluster: Cluster) -> list[str]:
    return sorted(found["metadata"]["labels"]["app"] for found in cluster.objects("ConfigMap"))


def test_a_draft_hides_all_that_was_made_with_it() -> None:
    assert finished([record("0"), record("1", is_draft=True), record("2")]) == []


def test_records_count_when_the_last_of_them_is_no_draft() -> None:
    records = [record("0"), record("1")]
    assert finished(records) == records


def test_a_draft_hides_nothing_that_was_made_another_time() -> None:
    other = record("0", creation="c2")
    assert finished([other, record("1", is_draft=True)]) == [other]


def test_a_draft_that_nobody_is_making_hides_only_itself() -> None:
    plain = record("0", creation="")
    assert finished([plain, record("1", creation="", is_draft=True)]) == [plain]


async def test_a_pipeline_is_seen_whole_though_its_records_come_one_by_one(
    cluster: Cluster, launcher: KubernetesLauncher, api: ClusterApi
) -> None:
    cluster.delay(0.5, verb="patch", resource="configmaps")
    async with looking(api) as looker:
        await looker.sees({})
        making = asyncio.create_task(launcher.create(TWO))
        await until(lambda: apps_of(cluster) == ["nn-service", "nn-service-draft"])
        assert await launcher.pipelines() == []
        with pytest.raises(UnknownPipelineError):
            await launcher.change(ID, "0", StepChange(replicas=2))
        await making
        await looker.sees(SEEN)
        assert {len(records) for records in looker.snapshots} == {0, 2}
    assert len(await launcher.pipelines()) == 1


async def test_nothing_is_seen_of_a_pipeline_whose_maker_died_half_way(
    cluster: Cluster,
    launcher: KubernetesLauncher,
    api: ClusterApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def die(*_: object) -> None:
        """Undo nothing, as one who is dead."""

    monkeypatch.setattr(PipelineMaker, "_undo", die)
    cluster.refuse(verb="patch", resource="configmaps", name=f"{ID}-step-1")
    async with looking(api) as looker:
        with pytest.raises(ClusterRefusedError):
            await launcher.create(TWO)
        assert apps_of(cluster) == ["nn-service", "nn-service-draft"]
        others = pipeline_of({"type": "blur"}, pipeline_id="pipeline-00000002")
        await launcher.create(others)
        await looker.sees({"pipeline-00000002/0": 1})
        assert [each.pipeline_id for each in await launcher.pipelines()] == ["pipeline-00000002"]
        objects = objects_in(api)
        heir = PipelineMaker(
            objects, remover=Remover(objects), policy=POLICY, draft_life=timedelta(seconds=-1)
        )
        await heir.tidy()
        assert apps_of(cluster) == ["nn-service"]
        cluster.remove("ConfigMap", "pipeline-00000002-step-0")
        await looker.sees({})
        seen = {str(each.key) for records in looker.snapshots for each in records}
        assert seen == {"pipeline-00000002/0"}
        assert looker.discovery.rejected() == 0
