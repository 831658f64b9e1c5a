from itertools import islice

import pytest

from tests.kubernetes_api.cluster import Cluster
from tests.kubernetes_api.documents import config_map, deployment, service
from tests.kubernetes_api.raw_client import RawClient


def test_what_is_made_has_a_version_a_uid_and_a_manager(api: RawClient) -> None:
    status, made = api.ask("POST", "configmaps", config_map(), query={"fieldManager": "me"})
    assert status == 201
    assert made["metadata"]["uid"]
    assert int(made["metadata"]["resourceVersion"]) > 0
    assert [entry["manager"] for entry in made["metadata"]["managedFields"]] == ["me"]


def test_a_name_is_given_once(api: RawClient) -> None:
    api.ask("POST", "configmaps", config_map())
    status, answer = api.ask("POST", "configmaps", config_map())
    assert (status, answer["reason"]) == (409, "AlreadyExists")
    assert answer["message"] == 'configmaps "thing" already exists'


def test_a_change_of_an_older_version_is_a_conflict(api: RawClient) -> None:
    _, made = api.ask("POST", "configmaps", config_map())
    made["data"] = {"key": "newer"}
    assert api.ask("PUT", "configmaps/thing", made)[0] == 200
    status, answer = api.ask("PUT", "configmaps/thing", made)
    assert (status, answer["reason"]) == (409, "Conflict")


def test_a_deletion_can_insist_on_one_object(api: RawClient) -> None:
    _, made = api.ask("POST", "configmaps", config_map())
    other = {"preconditions": {"uid": "another"}}
    assert api.ask("DELETE", "configmaps/thing", other)[0] == 409
    same = {"preconditions": {"uid": made["metadata"]["uid"]}}
    assert api.ask("DELETE", "configmaps/thing", same)[0] == 200
    assert api.ask("GET", "configmaps/thing")[0] == 404


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("color=red", ["a"]),
        ("color!=red", ["b", "c"]),
        ("color in (red, blue)", ["a", "b"]),
        ("color notin (red)", ["b", "c"]),
        ("color", ["a", "b"]),
        ("!color", ["c"]),
        ("color=red,size=big", []),
    ],
)
def test_labels_select(api: RawClient, cluster: Cluster, selector: str, names: list[str]) -> None:
    for name, labels in (("a", {"color": "red"}), ("b", {"color": "blue"}), ("c", {})):
        cluster.apply(config_map(name, labels=labels))
    _, found = api.ask("GET", "configmaps", query={"labelSelector": selector})
    assert [one["metadata"]["name"] for one in found["items"]] == names


def test_a_long_list_comes_in_pages(api: RawClient, cluster: Cluster) -> None:
    for number in range(5):
        cluster.apply(config_map(f"m{number}"))
    names: list[str] = []
    query = {"limit": "2"}
    while True:
        _, page = api.ask("GET", "configmaps", query=query)
        names += [one["metadata"]["name"] for one in page["items"]]
        if "continue" not in page["metadata"]:
            break
        query["continue"] = page["metadata"]["continue"]
    assert names == [f"m{number}" for number in range(5)]


def test_a_watch_goes_on_where_the_list_ended(api: RawClient, cluster: Cluster) -> None:
    _, listed = api.ask("GET", "configmaps")
    cluster.apply(config_map("a", labels={"app": "x"}))
    cluster.apply(config_map("b"))
    cluster.edit("ConfigMap", "a", lambda one: one["data"].update(key="newer"))
    cluster.edit("ConfigMap", "a", lambda one: one["metadata"].update(labels={}))
    query = {
        "resourceVersion": listed["metadata"]["resourceVersion"],
        "labelSelector": "app=x",
        "timeoutSeconds": "5",
    }
    events = list(islice(api.watch("configmaps", query), 3))
    # One that no longer matches is gone for whoever watches.
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert {event["object"]["metadata"]["name"] for event in events} == {"a"}


def test_a_watch_from_a_forgotten_version_says_so(api: RawClient, cluster: Cluster) -> None:
    _, listed = api.ask("GET", "configmaps")
    cluster.expire_versions()
    query = {"resourceVersion": listed["metadata"]["resourceVersion"]}
    (event,) = api.watch("configmaps", query)
    assert event["type"] == "ERROR"
    assert event["object"]["code"] == 410


def test_a_watch_ends_in_time_with_a_bookmark(api: RawClient) -> None:
    query = {"resourceVersion": "0", "timeoutSeconds": "0.1", "allowWatchBookmarks": "true"}
    *_, last = api.watch("configmaps", query)
    assert last["type"] == "BOOKMARK"


@pytest.mark.parametrize(
    ("content_type", "patch"),
    [
        ("application/merge-patch+json", {"data": {"more": "1"}}),
        ("application/strategic-merge-patch+json", {"data": {"more": "1"}}),
        ("application/json-patch+json", [{"op": "add", "path": "/data/more", "value": "1"}]),
    ],
)
def test_patches_alter(
    api: RawClient, content_type: str, patch: dict[str, object] | list[object]
) -> None:
    api.ask("POST", "configmaps", config_map())
    status, patched = api.ask("PATCH", "configmaps/thing", patch, content_type=content_type)
    assert status == 200
    assert patched["data"] == {"key": "value", "more": "1"}


def test_the_scale_of_a_deployment_is_a_part_of_its_own(api: RawClient, cluster: Cluster) -> None:
    cluster.apply(deployment())
    merge = "application/merge-patch+json"
    body = {"spec": {"replicas": 3}}
    status, scale = api.ask("PATCH", "deployments/thing/scale", body, content_type=merge)
    assert (status, scale["kind"], scale["spec"]) == (200, "Scale", {"replicas": 3})
    assert cluster.get("Deployment", "thing")["spec"]["replicas"] == 3


def test_a_dry_run_keeps_nothing(api: RawClient) -> None:
    assert api.ask("POST", "configmaps", config_map(), query={"dryRun": "All"})[0] == 201
    assert api.ask("GET", "configmaps/thing")[0] == 404


def test_node_ports_and_addresses_are_each_given_once(api: RawClient) -> None:
    made = [api.ask("POST", "services", service(name, type="NodePort"))[1] for name in "ab"]
    assert made[0]["spec"]["clusterIP"] != made[1]["spec"]["clusterIP"]
    ports = [one["spec"]["ports"][0]["nodePort"] for one in made]
    assert len(set(ports)) == 2


def test_who_has_no_token_is_told_401(api: RawClient, cluster: Cluster) -> None:
    cluster.revoke_tokens()
    assert api.ask("GET", "configmaps")[0] == 401


def test_an_account_may_what_its_role_says(cluster: Cluster) -> None:
    meta = {"name": "reader", "namespace": "conveyor-steps"}
    rbac = "rbac.authorization.k8s.io"
    cluster.load(
        [
            {
                "kind": "Role",
                "apiVersion": f"{rbac}/v1",
                "metadata": meta,
                "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}],
            },
            {
                "kind": "RoleBinding",
                "apiVersion": f"{rbac}/v1",
                "metadata": meta,
                "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "reader"},
                "subjects": [{"kind": "ServiceAccount", "name": "me", "namespace": "conveyor"}],
            },
        ]
    )
    with RawClient(cluster, "conveyor/me") as me:
        assert me.ask("GET", "configmaps")[0] == 200
        status, answer = me.ask("POST", "configmaps", config_map())
        assert me.ask("GET", "/api/v1/configmaps")[0] == 403
    assert status == 403
    assert answer["message"] == (
        'configmaps is forbidden: User "system:serviceaccount:conveyor:me" cannot create '
        'resource "configmaps" in API group "" in the namespace "conveyor-steps"'
    )
    assert [(call.account, call.verb, call.status) for call in cluster.calls] == [
        ("conveyor/me", "list", 200),
        ("conveyor/me", "create", 403),
        ("conveyor/me", "list", 403),
    ]
