import httpx
import pytest

from tests.dispatcher.waiting import until
from tests.kubernetes_api.cluster import Cluster
from tests.kubernetes_api.documents import config_map
from tests.kubernetes_api.raw_client import RawClient


def test_a_call_is_refused_as_often_as_asked(api: RawClient, cluster: Cluster) -> None:
    cluster.refuse(status=429, reason="TooManyRequests", verb="list", retry_after_s=1)
    status, answer = api.ask("GET", "configmaps")
    assert (status, answer["details"]["retryAfterSeconds"]) == (429, 1)
    assert api.ask("GET", "configmaps")[0] == 200


def test_new_objects_are_in_each_others_way_at_a_quota(api: RawClient, cluster: Cluster) -> None:
    cluster.contend_for_quota()
    status, answer = api.ask("POST", "configmaps", config_map())
    assert (status, answer["reason"]) == (409, "Conflict")
    assert answer["message"] == (
        'Operation cannot be fulfilled on resourcequotas "steps": the object has been modified'
    )
    assert cluster.objects("ConfigMap") == []
    assert api.ask("POST", "configmaps", config_map())[0] == 201


@pytest.mark.parametrize("after_effect", [False, True])
def test_a_connection_breaks_before_or_after_the_effect(
    api: RawClient, cluster: Cluster, after_effect: bool
) -> None:
    cluster.drop(verb="create", resource="configmaps", after_effect=after_effect)
    with pytest.raises(httpx.RemoteProtocolError):
        api.ask("POST", "configmaps", config_map())
    assert len(cluster.objects("ConfigMap")) == after_effect


def test_a_port_that_nobody_listens_at_is_the_same_afterwards(
    api: RawClient, cluster: Cluster
) -> None:
    cluster.stop_answering()
    with pytest.raises(httpx.ConnectError):
        api.ask("GET", "configmaps")
    cluster.answer_again()
    assert api.ask("GET", "configmaps")[0] == 200


def test_a_frozen_server_answers_when_it_is_thawed(api: RawClient, cluster: Cluster) -> None:
    cluster.freeze()
    with pytest.raises(httpx.ReadTimeout), RawClient(cluster, timeout_s=0.2) as hasty:
        hasty.ask("GET", "configmaps")
    cluster.thaw()
    assert api.ask("GET", "configmaps")[0] == 200


@pytest.mark.parametrize("is_clean", [True, False])
def test_a_watch_ends_or_breaks(api: RawClient, cluster: Cluster, is_clean: bool) -> None:
    cluster.apply(config_map())
    events = api.watch("configmaps", {})
    assert next(events)["type"] == "ADDED"
    if is_clean:
        cluster.end_watches()
        assert list(events) == []
    else:
        cluster.break_watches()
        with pytest.raises(httpx.RemoteProtocolError):
            next(events)


async def test_a_silent_watch_stays_open_and_says_nothing(api: RawClient, cluster: Cluster) -> None:
    cluster.apply(config_map())
    with RawClient(cluster, timeout_s=0.2) as hasty:
        events = hasty.watch("configmaps", {})
        assert next(events)["type"] == "ADDED"
        cluster.silence_watches()
        cluster.apply(config_map("other"))
        with pytest.raises(httpx.ReadTimeout):
            next(events)
    await until(lambda: cluster.open_watches == 0)
