import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from kubernetes.aio.config import incluster_config

from dispatcher.errors import StartupError
from dispatcher.topology.kubernetes.access import ClusterApi, ClusterError
from dispatcher.topology.kubernetes.credentials import Kubeconfig, ServiceAccount
from tests.dispatcher.topology.kubernetes.config_maps import document_of
from tests.kubernetes_api.cluster import STEPS_NAMESPACE, Cluster

_DELTA: Final = {"timedelta": datetime.timedelta}


class _Later(datetime.datetime):
    """The clock of some minutes later."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "_Later":
        return cls.fromtimestamp(datetime.datetime.now(tz).timestamp() + 600, tz)


async def read(api: ClusterApi, name: str = "birds-step-0", **options: Any) -> Any:
    request = api.core.read_namespaced_config_map
    return await api.call(request, name, api.namespace, **options)


async def create(api: ClusterApi) -> Any:
    body = document_of()
    return await api.call(api.core.create_namespaced_config_map, api.namespace, body)


def pod_in(cluster: Cluster, folder: Path) -> ServiceAccount:
    """What a pod of the cluster has."""
    environ = cluster.in_cluster(folder)
    files = {"token_file": folder / "token", "ca_file": folder / "ca.crt"}
    return ServiceAccount(environ=environ, **files)


async def refusal(api: ClusterApi, **options: Any) -> ClusterError:
    with pytest.raises(ClusterError) as refused:
        await read(api, **options)
    return refused.value


async def test_a_call_returns_a_typed_object(api: ClusterApi, cluster: Cluster) -> None:
    made = await create(api)
    found = await read(api)
    assert found.metadata.uid == made.metadata.uid
    assert found.metadata.labels["step_type"] == "classifier"
    assert [call.verb for call in cluster.calls] == ["create", "get"]


async def test_inside_a_cluster_the_service_account_is_used(
    cluster: Cluster, tmp_path: Path
) -> None:
    api = ClusterApi(namespace=STEPS_NAMESPACE, credentials=pod_in(cluster, tmp_path))
    await api.start()
    assert (await create(api)).metadata.name == "birds-step-0"
    await api.close()


async def test_a_token_that_the_kubelet_renewed_is_read_again(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = ClusterApi(namespace=STEPS_NAMESPACE, credentials=pod_in(cluster, tmp_path))
    await api.start()
    cluster.revoke_tokens()
    cluster.in_cluster(tmp_path)
    assert (await refusal(api)).status == 401
    monkeypatch.setattr(incluster_config, "datetime", SimpleNamespace(datetime=_Later, **_DELTA))
    assert (await refusal(api)).status == 404
    await api.close()


async def test_a_kubeconfig_that_was_renewed_is_read_again(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cluster.kubeconfig(tmp_path)
    api = ClusterApi(namespace=STEPS_NAMESPACE, credentials=Kubeconfig(path, renew_s=0))
    await api.start()
    cluster.revoke_tokens()
    path.write_text("")
    assert (await refusal(api)).status == 401  # of what cannot be read, the last is kept
    cluster.kubeconfig(tmp_path)
    assert (await refusal(api)).status == 404
    await api.close()


async def test_a_refusal_says_what_the_api_server_said(api: ClusterApi, cluster: Cluster) -> None:
    cluster.refuse(status=403, reason="Forbidden", message="no such right")
    error = await refusal(api)
    assert (error.status, error.reason, error.message) == (403, "Forbidden", "no such right")
    assert str(error) == "no such right"
    assert not error.retryable
    assert not error.may_have_happened


async def test_what_is_not_there_is_a_refusal(api: ClusterApi) -> None:
    error = await refusal(api)
    assert (error.status, error.reason, error.retryable) == (404, "NotFound", False)


async def test_a_conflict_is_told_from_a_name_that_is_taken(api: ClusterApi) -> None:
    await create(api)
    with pytest.raises(ClusterError) as refused:
        await create(api)
    assert (refused.value.status, refused.value.reason) == (409, "AlreadyExists")


async def test_an_api_server_that_is_busy_says_when_to_come_back(
    api: ClusterApi, cluster: Cluster
) -> None:
    cluster.refuse(status=429, reason="TooManyRequests", retry_after_s=7)
    error = await refusal(api)
    assert (error.status, error.retryable, error.retry_after_s) == (429, True, 7)


async def test_an_api_server_that_fails_may_have_done_it(api: ClusterApi, cluster: Cluster) -> None:
    cluster.refuse(status=503, reason="ServiceUnavailable")
    error = await refusal(api)
    assert error.retryable
    assert error.may_have_happened


async def test_an_answer_that_is_no_json_is_an_error(api: ClusterApi, cluster: Cluster) -> None:
    await create(api)
    cluster.garble()
    error = await refusal(api)
    assert error.message.startswith("the answer cannot be read")
    assert error.may_have_happened


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_connection_that_breaks_leaves_the_outcome_open(
    api: ClusterApi, cluster: Cluster, after_effect: bool
) -> None:
    cluster.drop(verb="create", after_effect=after_effect)
    with pytest.raises(ClusterError) as broken:
        await create(api)
    assert broken.value.retryable
    assert broken.value.may_have_happened
    assert bool(cluster.objects("ConfigMap")) == after_effect


async def test_an_api_server_that_is_down_has_done_nothing(
    api: ClusterApi, cluster: Cluster
) -> None:
    cluster.stop_answering()
    error = await refusal(api)
    assert error.message.startswith("the API server cannot be reached")
    assert error.retryable
    assert not error.may_have_happened
    cluster.answer_again()
    assert (await refusal(api)).status == 404


async def test_an_api_server_that_is_silent_is_given_up(api: ClusterApi, cluster: Cluster) -> None:
    cluster.freeze()
    error = await refusal(api, timeout_s=0.2)
    assert error.message.endswith("no answer within 0.2 s")
    assert error.may_have_happened


async def test_a_token_that_no_longer_counts_is_a_refusal(
    api: ClusterApi, cluster: Cluster
) -> None:
    cluster.revoke_tokens()
    assert (await refusal(api)).status == 401


async def test_proxies_of_the_environment_are_not_used(
    api: ClusterApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert (await refusal(api)).status == 404


@pytest.mark.parametrize(
    "text", ["", "{", "just words", "clusters: []", "apiVersion: v1\nusers: 5"]
)
async def test_a_kubeconfig_that_is_none_stops_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(StartupError, match=f"--kubeconfig {path}: .") as stopped:
        await ClusterApi(namespace="x", kubeconfig=path).start()
    assert len(str(stopped.value).splitlines()) == 1


async def test_a_kubeconfig_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"--kubeconfig .*missing"):
        await ClusterApi(namespace="x", kubeconfig=tmp_path / "missing").start()


async def test_outside_of_a_cluster_one_must_be_named() -> None:
    with pytest.raises(StartupError, match="give --kubeconfig outside of one"):
        await ClusterApi(namespace="x", credentials=ServiceAccount(environ={})).start()


async def test_what_was_never_started_can_be_closed() -> None:
    await ClusterApi(namespace="x").close()
