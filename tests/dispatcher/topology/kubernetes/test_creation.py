"""A pipeline is made as a whole or not at all, whatever the cluster does meanwhile."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from dispatcher.errors import (
    ClusterConflictError,
    ClusterQuotaError,
    ClusterRefusedError,
    ClusterUnavailableError,
    RequestError,
)
from dispatcher.topology.kubernetes import patience
from dispatcher.topology.kubernetes.access import ClusterApi
from dispatcher.topology.kubernetes.creation import PipelineMaker
from dispatcher.topology.kubernetes.launcher import KubernetesLauncher
from dispatcher.topology.kubernetes.object_client import objects_in
from dispatcher.topology.kubernetes.refusals import told_to_clients
from dispatcher.topology.kubernetes.removal import Remover
from tests.dispatcher.topology.kubernetes.pipelines import ID, POLICY, pipeline_of
from tests.kubernetes_api.cluster import Cluster

TWO = pipeline_of({"type": "blur"}, {"type": "classifier"})
KINDS = ("ConfigMap", "Service", "Deployment", "PodDisruptionBudget")
DEPLOYING = ("deployments", "create")
CALLS = [
    ("configmaps", "create"),
    ("services", "create"),
    ("poddisruptionbudgets", "create"),
    DEPLOYING,
    ("configmaps", "patch"),
]
"""All that is asked for on the way."""


class Refused(NamedTuple):
    """How the cluster says no, and what a client is told."""

    status: int
    reason: str
    message: str
    expected: type[RequestError]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 0.01)


def left_in(cluster: Cluster) -> list[str]:
    """What there is of pipelines."""
    return [
        f"{kind} {found['metadata']['name']}" for kind in KINDS for found in cluster.objects(kind)
    ]


def apps_of(cluster: Cluster) -> list[str]:
    return [found["metadata"]["labels"]["app"] for found in cluster.objects("ConfigMap")]


QUOTA = Refused(403, "Forbidden", "exceeded quota: steps", ClusterQuotaError)


@pytest.mark.parametrize(
    ("call", "refusal"),
    [
        *((call, QUOTA) for call in CALLS),
        (DEPLOYING, Refused(403, "Forbidden", "User x cannot do this", ClusterRefusedError)),
        (DEPLOYING, Refused(409, "AlreadyExists", "it exists", ClusterConflictError)),
        (DEPLOYING, Refused(422, "Invalid", "spec: Invalid value", ClusterRefusedError)),
    ],
)
async def test_a_refusal_of_any_part_leaves_nothing_and_is_passed_on(
    cluster: Cluster,
    launcher: KubernetesLauncher,
    call: tuple[str, str],
    refusal: Refused,
) -> None:
    cluster.refuse(
        resource=call[0],
        verb=call[1],
        status=refusal.status,
        reason=refusal.reason,
        message=refusal.message,
    )
    with pytest.raises(refusal.expected, match=refusal.message):
        await launcher.create(TWO)
    assert left_in(cluster) == []
    assert await launcher.pipelines() == []
    await launcher.create(TWO)  # and the same can be made later
    assert len(left_in(cluster)) == 8


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        *((call, fault) for call in CALLS for fault in ("after", "garbled")),
        *((DEPLOYING, fault) for fault in ("before", "busy", "broken")),
    ],
)
async def test_a_call_that_fails_in_passing_is_made_again(
    cluster: Cluster, launcher: KubernetesLauncher, call: tuple[str, str], fault: str
) -> None:
    resource, verb = call
    faults: dict[str, Callable[[], None]] = {
        "before": lambda: cluster.drop(verb=verb, resource=resource),
        "after": lambda: cluster.drop(verb=verb, resource=resource, after_effect=True),
        "garbled": lambda: cluster.garble(verb=verb, resource=resource),
        "busy": lambda: cluster.refuse(
            verb=verb, resource=resource, status=429, reason="TooManyRequests", retry_after_s=0
        ),
        "broken": lambda: cluster.refuse(
            verb=verb, resource=resource, status=500, reason="InternalError"
        ),
    }
    faults[fault]()
    await launcher.create(TWO)
    assert len(left_in(cluster)) == 8
    assert apps_of(cluster) == ["nn-service", "nn-service"]
    assert len({found["metadata"]["uid"] for found in cluster.objects("Deployment")}) == 2


async def test_objects_that_are_in_each_others_way_at_a_quota_are_made_all_the_same(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    cluster.contend_for_quota(times=7)
    await launcher.create(TWO[:1])
    assert len(left_in(cluster)) == 4


async def test_a_quota_that_is_never_done_counting_ends_the_attempt(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    cluster.contend_for_quota(times=None)
    with pytest.raises(ClusterConflictError, match="resourcequotas"):
        await launcher.create(TWO)
    assert left_in(cluster) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_what_somebody_else_has_under_the_name_stays_as_it_is(
    cluster: Cluster, launcher: KubernetesLauncher, kind: str
) -> None:
    await launcher.create(TWO)
    foreign = cluster.get(kind, f"{ID}-step-1")
    await launcher.remove(ID)
    kept = {"name": foreign["metadata"]["name"], "labels": {"pipeline_id": ID, "mine": "yes"}}
    cluster.apply({**foreign, "metadata": kept})
    # The first answer is lost, so that the second tells of an object that may be one's own.
    cluster.drop(verb="create")
    with pytest.raises(ClusterConflictError, match="already exists"):
        await launcher.create(TWO)
    assert left_in(cluster) == [f"{kind} {ID}-step-1"]
    assert cluster.get(kind, f"{ID}-step-1")["metadata"]["labels"] == kept["labels"]


async def test_discovery_sees_a_pipeline_when_all_of_it_is_there(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    cluster.delay(0.2, verb="create", resource="deployments", times=2)
    making = asyncio.create_task(launcher.create(TWO))
    while len(cluster.objects("ConfigMap")) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    assert apps_of(cluster) == ["nn-service-draft", "nn-service-draft"]
    assert cluster.objects("Deployment") == []
    assert await launcher.pipelines() == []
    await making
    assert apps_of(cluster) == ["nn-service", "nn-service"]


async def test_a_cluster_that_is_too_slow_is_not_waited_for(
    cluster: Cluster, api: ClusterApi
) -> None:
    maker = _maker(api, made_within_s=0.3)
    cluster.delay(0.6, verb="create", resource="deployments", times=2)
    with pytest.raises(ClusterUnavailableError), told_to_clients():
        await maker.make(TWO)
    assert {kind for kind in KINDS if cluster.objects(kind)} <= {"Deployment"}
    # What was asked for may still be made when nobody waits any more; then it goes, too.
    await asyncio.sleep(0.6)
    await maker.tidy()
    assert left_in(cluster) == []


async def test_what_could_not_be_removed_is_removed_when_the_cluster_answers_again(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    cluster.refuse(verb="create", resource="deployments")
    cluster.refuse(verb="list", status=500, reason="InternalError", times=None)
    cluster.refuse(verb="delete", status=500, reason="InternalError", times=None)
    with pytest.raises(ClusterRefusedError):
        await launcher.create(TWO)
    assert left_in(cluster) != []
    cluster.heal()
    assert await launcher.pipelines() == []  # a draft is nothing to a client
    supervising = asyncio.create_task(launcher.supervise())
    while left_in(cluster):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    supervising.cancel()


async def test_what_a_dispatcher_left_that_was_killed_is_removed_after_a_while(
    cluster: Cluster, launcher: KubernetesLauncher, api: ClusterApi
) -> None:
    others = pipeline_of({"type": "blur"}, pipeline_id="pipeline-00000002")
    await launcher.create(others)
    finished = left_in(cluster)
    await launcher.create(TWO)
    cluster.edit("ConfigMap", f"{ID}-step-1", _make_draft)
    before = left_in(cluster)

    await _maker(api).tidy()
    assert left_in(cluster) == before  # another dispatcher may be making it just now
    await _maker(api, draft_life=timedelta(seconds=-1)).tidy()
    assert left_in(cluster) == finished


def _maker(api: ClusterApi, **options: Any) -> PipelineMaker:
    objects = objects_in(api)
    return PipelineMaker(objects, remover=Remover(objects), policy=POLICY, **options)


def _make_draft(document: Any) -> None:
    document["metadata"]["labels"]["app"] = "nn-service-draft"


async def test_a_request_that_is_cancelled_leaves_nothing(
    cluster: Cluster, launcher: KubernetesLauncher
) -> None:
    cluster.delay(0.2, verb="create", resource="services", times=2)
    making = asyncio.create_task(launcher.create(TWO))
    while not cluster.objects("ConfigMap"):  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    await asyncio.sleep(0.25)
    await launcher._maker.tidy()
    assert left_in(cluster) == []


async def test_the_answer_names_every_object(launcher: KubernetesLauncher) -> None:
    made: Sequence[Any] = await launcher.create(TWO)
    assert [(thing.kind, thing.name) for thing in made] == [
        (kind, f"{ID}-step-{step}")
        for step in (0, 1)
        for kind in ("ConfigMap", "Deployment", "Service", "PodDisruptionBudget")
    ]
    assert made[2].url == f"http://{ID}-step-0.conveyor-steps.svc:5000"
