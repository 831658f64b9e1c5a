import asyncio
import threading
from collections.abc import Mapping, Sequence

import pytest

from dispatcher.errors import StartupError
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.health import HealthPolicy
from dispatcher.topology.discovery import follow_records
from dispatcher.topology.kubernetes.access import ClusterApi
from dispatcher.topology.kubernetes.discovery import KubernetesDiscovery
from dispatcher.topology.kubernetes.endpoints import parse_networks
from dispatcher.topology.kubernetes.kinds import ConfigMap
from dispatcher.topology.kubernetes.ledger import RecordLedger
from dispatcher.topology.kubernetes.validation import ClusterStep
from dispatcher.topology.kubernetes.watching import Watcher
from tests.dispatcher.topology.kubernetes.config_maps import document_of
from tests.dispatcher.topology.kubernetes.looking import CHANGE_S, SWIFT, looking, slice_document
from tests.dispatcher.waiting import until
from tests.kubernetes_api.cluster import Cluster

BIRDS = {"birds/0": 2}


async def test_records_are_found_with_the_addresses_of_their_pods(
    api: ClusterApi, cluster: Cluster
) -> None:
    cluster.load([document_of(), slice_document("10.1.0.1", "10.1.0.2")])
    async with looking(api) as looker:
        await looker.finds("birds/0", "http://10.1.0.1:5000", "http://10.1.0.2:5000")


async def test_an_empty_cluster_is_seen_at_once(api: ClusterApi) -> None:
    async with looking(api) as looker:
        await looker.sees({})


async def test_pools_follow_the_pods(api: ClusterApi, cluster: Cluster) -> None:
    cluster.load([document_of(), slice_document("10.1.0.1", "10.1.0.2")])
    pipelines = PipelineStore()
    pools = PoolDirectory(client=ReplicaClient(), policy=HealthPolicy())
    networks = parse_networks("10.0.0.0/8")
    discovery = KubernetesDiscovery(api, pod_networks=networks, pace=SWIFT)
    following = asyncio.create_task(follow_records(discovery, pipelines=pipelines, pools=pools))
    await until(lambda: len(pools.replicas()) == 2)
    cluster.apply(slice_document("10.1.0.2"))
    await until(lambda: [replica.url for replica in pools.replicas()] == ["http://10.1.0.2:5000"])
    assert [pipeline.id for pipeline in pipelines.all()] == ["birds"]
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_changes_act_by_themselves(api: ClusterApi, cluster: Cluster) -> None:
    cluster.apply(document_of())
    async with looking(api) as looker:
        await looker.sees(BIRDS)
        cluster.apply(document_of("fish", replicas=1))
        await looker.sees({**BIRDS, "fish/0": 1})
        cluster.apply(document_of("fish", replicas=4))
        await looker.sees({**BIRDS, "fish/0": 4})
        cluster.remove("ConfigMap", "fish-step-0")
        await looker.sees(BIRDS)
        cluster.apply(slice_document("10.1.0.1"))
        await looker.finds("birds/0", "http://10.1.0.1:5000")
        cluster.apply(slice_document("10.1.0.1", ready=False))
        await looker.finds("birds/0")
    lists = [call for call in cluster.calls if call.verb == "list"]
    assert len(lists) == 2  # all changes came through the watches


async def test_a_record_counts_once_it_has_its_label(api: ClusterApi, cluster: Cluster) -> None:
    draft = document_of(labels={"app": "nn-service-draft"})
    cluster.apply(draft)
    async with looking(api) as looker:
        await looker.sees({})
        cluster.apply(document_of())
        await looker.sees(BIRDS)
        cluster.apply(draft)
        await looker.sees({})


async def test_other_namespaces_and_labels_are_not_even_read(
    api: ClusterApi, cluster: Cluster
) -> None:
    elsewhere = document_of("fish")
    elsewhere["metadata"]["namespace"] = "default"
    cluster.load([elsewhere, document_of("cats", labels={"app": "other"}), document_of()])
    async with looking(api) as looker:
        await looker.sees(BIRDS)
        assert looker.discovery.rejected() == 0  # what is not read is not refused
        await until(lambda: {call.verb for call in cluster.calls} == {"list", "watch"})
    seen = {(call.group, call.resource, call.namespace) for call in cluster.calls}
    assert seen == {
        ("", "configmaps", "conveyor-steps"),
        ("discovery.k8s.io", "endpointslices", "conveyor-steps"),
    }


@pytest.mark.parametrize(
    "bad",
    [
        document_of(text=""),
        document_of(text="{"),
        document_of(text="y" * (1024 * 1024 - 100)),
        document_of(steps=[{"id": str(n), "type": "classifier"} for n in range(5_000)]),
        document_of(steps=[{"id": "0", "type": "classifier"}] * 2),
        document_of(service="http://169.254.169.254/"),
        document_of(service="http://example.org"),
        document_of(endpoints=["http://10.1.0.1:6379"]),
    ],
    ids=["empty", "no YAML", "1 MiB", "5000 steps", "twice", "metadata", "outside", "Redis"],
)
async def test_a_bad_change_keeps_the_last_good_record(
    api: ClusterApi, cluster: Cluster, bad: dict[str, object]
) -> None:
    cluster.load([document_of(), slice_document("10.1.0.1")])
    async with looking(api) as looker:
        await looker.finds("birds/0", "http://10.1.0.1:5000")
        cluster.apply(bad)
        await until(lambda: looker.discovery.rejected() == 1)
        cluster.apply(document_of("fish", replicas=1))
        await looker.sees({**BIRDS, "fish/0": 1})
        assert looker.urls["birds/0"] == ("http://10.1.0.1:5000",)
        cluster.apply(document_of(replicas=7))
        await looker.sees({"birds/0": 7, "fish/0": 1})
        assert looker.discovery.rejected() == 0


async def test_a_pod_outside_of_the_networks_gets_no_image(
    api: ClusterApi, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.load([document_of(), slice_document("8.8.8.8", "10.1.0.1")])
    async with looking(api) as looker:
        await looker.finds("birds/0", "http://10.1.0.1:5000")
        cluster.apply(slice_document("8.8.8.8", "10.1.0.1", "10.1.0.2"))
        await looker.finds("birds/0", "http://10.1.0.1:5000", "http://10.1.0.2:5000")
    refusals = [line for line in caplog.messages if line.startswith("no image goes to 8.8.8.8")]
    assert len(refusals) == 1


@pytest.mark.parametrize("resource", [None, "configmaps", "endpointslices"])
async def test_who_may_not_look_is_told_at_the_start(
    api: ClusterApi, cluster: Cluster, resource: str | None
) -> None:
    cluster.refuse(verb="list", resource=resource, message="not allowed", times=None)
    discovery = KubernetesDiscovery(api, pod_networks=(), pace=SWIFT)
    async with asyncio.timeout(CHANGE_S):
        with pytest.raises(StartupError, match="does not let this service look: not allowed"):
            await anext(aiter(discovery.snapshots()))


async def test_an_api_server_that_is_down_at_the_start_is_waited_for(
    api: ClusterApi, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.apply(document_of())
    cluster.stop_answering()
    async with looking(api) as looker:
        await until(lambda: len(caplog.messages) >= 2)
        assert all("cannot be seen: the API server" in line for line in caplog.messages)
        cluster.answer_again()
        await looker.sees(BIRDS)


async def test_a_watcher_that_breaks_is_no_silence(
    api: ClusterApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> str:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(Watcher, "_list", broken)
    discovery = KubernetesDiscovery(api, pod_networks=(), pace=SWIFT)
    with pytest.raises(RuntimeError, match="a mistake"):
        await anext(aiter(discovery.snapshots()))


async def test_records_are_read_beside_the_event_loop(
    api: ClusterApi, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = RecordLedger.update
    readers = set()

    def update(self: RecordLedger, config_maps: Mapping[str, ConfigMap]) -> Sequence[ClusterStep]:
        readers.add(threading.current_thread())
        return reading(self, config_maps)

    monkeypatch.setattr(RecordLedger, "update", update)
    cluster.apply(document_of())
    async with looking(api) as looker:
        await looker.sees(BIRDS)
    assert readers
    assert threading.main_thread() not in readers


async def test_nothing_is_left_when_nobody_looks_any_more(
    api: ClusterApi, cluster: Cluster
) -> None:
    before = asyncio.all_tasks()
    async with looking(api) as looker:
        await looker.sees({})
        await until(lambda: cluster.open_watches == 2)
    assert asyncio.all_tasks() == before
    await until(lambda: cluster.open_watches == 0)


async def test_it_ends_at_once_while_the_api_server_is_silent(
    api: ClusterApi, cluster: Cluster
) -> None:
    cluster.freeze()
    async with asyncio.timeout(5):
        async with looking(api) as looker:
            await until(lambda: looker.discovery.age_s() > 0.1)
            assert looker.snapshots == []
    cluster.thaw()
