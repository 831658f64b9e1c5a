"""What the shipped roles grant is what the code uses: nothing is missing, nothing is left over."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from dispatcher.pipelines.changes import StepChange
from tests.dispatcher.topology.contract.following import following
from tests.dispatcher.topology.contract.homes import WRITER, KubernetesHome
from tests.dispatcher.topology.workshop import made
from tests.kubernetes_api.access_rules import Right, rights_of
from tests.kubernetes_api.cluster import STEPS_NAMESPACE, Cluster, running_cluster
from tests.kubernetes_api.pod_states import Trouble
from tests.kubernetes_api.server import Call

ID = "pipeline-00000001"
READER = "conveyor/dispatcher"


def used(calls: Iterable[Call]) -> set[Right]:
    """Return the rights without which these calls would have been refused."""
    return {
        Right(
            call.namespace,
            call.verb,
            call.group,
            "/".join(filter(None, (call.resource, call.subresource))),
        )
        for call in calls
    }


async def test_every_right_of_the_writer_is_used_and_every_call_allowed(tmp_path: Path) -> None:
    with running_cluster() as cluster:
        home = KubernetesHome(cluster, tmp_path)
        await home.open()
        try:
            async with following(home.discovery) as seen:
                await _whole_life(home, cluster)
                await seen.until(lambda: seen.snapshots[-1] == [])
        finally:
            await home.close()
        refused = [call for call in cluster.calls if call.status in (401, 403)]
        assert refused == []
        assert used(cluster.calls) == rights_of(cluster.store, WRITER)


async def _whole_life(home: KubernetesHome, cluster: Cluster) -> None:
    """Do everything that there is to do, with every answer to a creation lost once."""
    cluster.pods.trouble(ID, Trouble.VOLUME)  # only events tell of it
    for resource in ("configmaps", "services", "deployments", "poddisruptionbudgets"):
        cluster.drop(verb="create", resource=resource, after_effect=True)
    tidying = asyncio.create_task(home.launcher.supervise())
    await home.launcher.create(made())
    await home.launcher.pipelines()
    await home.launcher.change(ID, "0", StepChange(replicas=2))
    await home.launcher.remove(ID)
    tidying.cancel()


async def test_the_reader_may_look_and_nothing_else(tmp_path: Path) -> None:
    with running_cluster() as cluster:
        home = KubernetesHome(cluster, tmp_path, account=READER)
        await home.open()
        try:
            async with following(home.discovery) as seen:
                await home.launcher.pipelines()
                assert seen.snapshots == [[]]
        finally:
            await home.close()
        assert [call for call in cluster.calls if call.status != 200 and call.verb != "watch"] == []
        rights = rights_of(cluster.store, READER)
        assert {right.verb for right in rights} <= {"get", "list", "watch"}
        assert {right.namespace for right in rights} == {STEPS_NAMESPACE}
