import pytest

from tests.dispatcher.waiting import until
from tests.kubernetes_api.cluster import Cluster
from tests.kubernetes_api.documents import config_map, deployment, service
from tests.kubernetes_api.kinds import Document
from tests.kubernetes_api.raw_client import RawClient


@pytest.mark.parametrize(
    ("path", "document", "status", "part"),
    [
        ("configmaps", config_map("Not_a_name"), 422, "metadata.name"),
        ("configmaps", config_map(labels={"app": "x" * 64}), 422, "metadata.labels"),
        ("configmaps", config_map(labels={"app": "-x"}), 422, "metadata.labels"),
        ("configmaps", {**config_map(), "data": {"k": "x" * (1024 * 1024 + 1)}}, 422, "Too long"),
        ("configmaps", {**config_map(), "data": {"k": 1}}, 400, "data.k"),
        ("configmaps", {**config_map(), "datas": {}}, 400, "strict decoding error"),
        ("configmaps", config_map(namespace="other"), 400, "namespace"),
        ("services", service("7up"), 422, "metadata.name"),
        ("services", service(ports=[{"port": 70_000}]), 422, "between 1 and 65535"),
        ("deployments", deployment(env=[{"name": "A=B", "value": "x"}]), 422, "env[0].name"),
        ("deployments", deployment(resources={"limits": {"cpu": "two"}}), 422, "limits[cpu]"),
        (
            "deployments",
            deployment(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "1500m"}}),
            422,
            "less than or equal to cpu limit",
        ),
        (
            "deployments",
            deployment(volumeMounts=[{"name": "none", "mountPath": "/x"}]),
            422,
            "volumeMounts[0].name",
        ),
        (
            "deployments",
            deployment(lifecycle={"preStop": {"sleep": {"seconds": 31}}}),
            422,
            "terminationGracePeriodSeconds",
        ),
        (
            "deployments",
            deployment(ports=[{"name": "a-name-of-16-chr", "containerPort": 80}]),
            422,
            "ports[0].name",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    api: RawClient, path: str, document: Document, status: int, part: str
) -> None:
    answered, answer = api.ask("POST", path, document)
    assert answered == status
    assert part in answer["message"]


def test_a_selector_must_fit_the_template_and_stay(api: RawClient) -> None:
    other = deployment()
    other["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    status, answer = api.ask("POST", "deployments", other)
    assert status == 422
    assert "`selector` does not match template `labels`" in answer["message"]
    api.ask("POST", "deployments", deployment())
    patch = {"spec": {"selector": {"matchLabels": {"app": "x"}}}}
    merge = "application/merge-patch+json"
    assert api.ask("PATCH", "deployments/thing", patch, content_type=merge)[0] == 422


async def test_an_unsafe_pod_is_warned_of_and_never_made(api: RawClient, cluster: Cluster) -> None:
    status, _ = api.ask("POST", "deployments", deployment(securityContext={}))
    assert status == 201
    assert "would violate PodSecurity" in cluster.warnings[0]
    await until(lambda: cluster.objects("Event"))
    assert cluster.objects("Pod") == []
    (event,) = cluster.objects("Event")
    assert event["reason"] == "FailedCreate"
    assert 'violates PodSecurity "restricted:latest"' in event["message"]
    await until(lambda: "ReplicaFailure" in str(cluster.get("Deployment", "thing")["status"]))


async def test_a_quota_is_kept(api: RawClient, cluster: Cluster) -> None:
    hard = {"count/deployments.apps": "1", "pods": "2"}
    cluster.apply(
        {
            "kind": "ResourceQuota",
            "apiVersion": "v1",
            "metadata": {"name": "steps"},
            "spec": {"hard": hard},
        }
    )
    assert api.ask("POST", "deployments", deployment("a", replicas=3))[0] == 201
    status, answer = api.ask("POST", "deployments", deployment("b"))
    assert status == 403
    assert answer["message"] == (
        'deployments.apps "b" is forbidden: exceeded quota: steps, requested: '
        "count/deployments.apps=1, used: count/deployments.apps=1, limited: "
        "count/deployments.apps=1"
    )
    await until(lambda: len(cluster.objects("Pod")) == 2)
    await until(lambda: "exceeded quota" in str(cluster.objects("Event")))


async def test_a_pod_without_amounts_gets_those_of_the_limit_range(cluster: Cluster) -> None:
    limit = {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "100m"}}
    cluster.apply(
        {
            "kind": "LimitRange",
            "apiVersion": "v1",
            "metadata": {"name": "steps"},
            "spec": {"limits": [limit]},
        }
    )
    cluster.apply(deployment())
    await until(lambda: cluster.objects("Pod"))
    (pod,) = cluster.objects("Pod")
    resources = pod["spec"]["containers"][0]["resources"]
    assert resources == {"limits": {"cpu": "1"}, "requests": {"cpu": "100m"}}


async def test_a_pod_has_a_token_unless_it_does_without(cluster: Cluster) -> None:
    cluster.apply(deployment("with"))
    without = deployment("without")
    without["spec"]["template"]["spec"]["automountServiceAccountToken"] = False
    cluster.apply(without)
    await until(lambda: len(cluster.objects("Pod")) == 2)
    volumes = {
        pod["metadata"]["labels"]["app"]: [one["name"] for one in pod["spec"].get("volumes", ())]
        for pod in cluster.objects("Pod")
    }
    assert volumes == {"with": ["kube-api-access"], "without": []}
