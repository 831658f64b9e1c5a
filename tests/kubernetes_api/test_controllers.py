import sys
from functools import partial
from itertools import chain
from pathlib import Path
from secrets import token_hex

import httpx
import pytest

from tests.dispatcher.waiting import until
from tests.kubernetes_api.cluster import Cluster
from tests.kubernetes_api.documents import config_map, deployment, service
from tests.kubernetes_api.kinds import name_of
from tests.kubernetes_api.pod_states import Trouble
from tests.kubernetes_api.processes import ProcessFolder
from tests.kubernetes_api.raw_client import RawClient


def ready_addresses(cluster: Cluster) -> list[str]:
    return [
        address
        for one in cluster.objects("EndpointSlice")
        for endpoint in one["endpoints"] or ()
        for address in endpoint["addresses"]
        if endpoint["conditions"]["ready"]
    ]


async def test_a_deployment_gets_pods_and_its_service_their_addresses(cluster: Cluster) -> None:
    cluster.load([deployment(replicas=3), service()])
    await until(lambda: len(ready_addresses(cluster)) == 3)
    assert len(set(ready_addresses(cluster))) == 3
    await until(lambda: cluster.get("Deployment", "thing")["status"].get("readyReplicas") == 3)


async def test_a_pod_that_is_not_ready_is_no_ready_address(cluster: Cluster) -> None:
    cluster.pods.trouble("thing", Trouble.NEVER_READY)
    cluster.load([deployment(), service()])
    await until(lambda: cluster.objects("EndpointSlice") and cluster.objects("Event"))
    assert ready_addresses(cluster) == []
    cluster.pods.recover()
    cluster.edit("Deployment", "thing", lambda one: one["spec"].update(replicas=2))
    await until(lambda: len(ready_addresses(cluster)) == 2)


async def test_a_service_without_pods_has_a_slice_that_says_null(cluster: Cluster) -> None:
    cluster.load([service()])
    await until(lambda: cluster.objects("EndpointSlice"))
    (only,) = cluster.objects("EndpointSlice")
    assert only["endpoints"] is None


async def test_many_pods_make_several_slices(cluster: Cluster) -> None:
    cluster.load([deployment(replicas=120), service()])
    await until(lambda: len(ready_addresses(cluster)) == 120)
    assert len(cluster.objects("EndpointSlice")) == 2


async def test_two_pods_never_get_the_same_name(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = chain(["aaaaaa", "aaaaaa"], iter(partial(token_hex, 3), ""))
    monkeypatch.setattr("secrets.token_hex", lambda size: next(drawn))
    cluster.load([deployment(replicas=2), service()])
    await until(lambda: len(ready_addresses(cluster)) == 2)
    assert sum(name_of(pod).endswith("aaaaa") for pod in cluster.objects("Pod")) == 1


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_what_an_object_owns_goes_with_it(
    api: RawClient, cluster: Cluster, policy: str
) -> None:
    owner = cluster.apply(config_map())
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "thing",
        "uid": owner["metadata"]["uid"],
    }
    owned = [deployment(replicas=2), service()]
    for one in owned:
        one["metadata"]["ownerReferences"] = [reference]
    cluster.load(owned)
    await until(lambda: len(ready_addresses(cluster)) == 2)
    api.ask("DELETE", "configmaps/thing", {"propagationPolicy": policy})
    kinds = ("ConfigMap", "Deployment", "ReplicaSet", "Pod", "Service", "EndpointSlice")
    await until(lambda: not any(cluster.objects(kind) for kind in kinds))


async def test_what_never_had_its_owner_goes_at_once(cluster: Cluster) -> None:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "thing", "uid": "never"}
    cluster.apply(config_map("orphan", ownerReferences=[reference]))
    await until(lambda: not cluster.objects("ConfigMap"))


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Trouble.IMAGE_PULL, "ImagePullBackOff"),
        (Trouble.CRASH_LOOP, "CrashLoopBackOff"),
        (Trouble.CONFIG, "CreateContainerConfigError"),
    ],
)
async def test_a_pod_in_trouble_says_why_it_waits(
    cluster: Cluster, trouble: Trouble, reason: str
) -> None:
    cluster.pods.trouble("thing", trouble)
    cluster.apply(deployment())
    await until(lambda: reason in str(cluster.objects("Pod")))


async def test_gpus_that_nobody_has_are_waited_for(cluster: Cluster) -> None:
    cluster.apply(deployment(resources={"limits": {"nvidia.com/gpu": "1"}}))
    await until(lambda: "FailedScheduling" in str(cluster.objects("Event")))
    assert "Unschedulable" in str(cluster.objects("Pod"))


async def test_a_pod_is_a_process_when_it_shall_be(cluster: Cluster, tmp_path: Path) -> None:
    entrypoint = (sys.executable, "-c", _ANSWERING)
    cluster.run_pods_for_real(ProcessFolder(tmp_path, entrypoint))
    probe = {"httpGet": {"path": "/ready", "port": "http"}}
    env = [{"name": "WORD", "value": "/words/x"}]
    mounts = [{"name": "words", "mountPath": "/words"}]
    document = deployment(env=env, readinessProbe=probe, volumeMounts=mounts)
    volume = {"name": "words", "configMap": {"name": "thing"}}
    document["spec"]["template"]["spec"]["volumes"] = [volume]
    cluster.load([{**config_map(), "data": {"x": "hello"}}, document, service()])
    await until(lambda: ready_addresses(cluster))
    (address,) = ready_addresses(cluster)
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"http://{address}:5000/word")).text == "hello"
    cluster.remove("Deployment", "thing")
    await until(lambda: not cluster.objects("Pod"))
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient() as client:
            await client.get(f"http://{address}:5000/word")


_ANSWERING = """
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(open(os.environ["WORD"]).read().encode())

http.server.HTTPServer((os.environ["SERVICE_HOST"], 5000), Handler).serve_forever()
"""
