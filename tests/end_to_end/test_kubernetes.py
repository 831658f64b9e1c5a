"""A real dispatcher on a cluster: its API server is a stand-in, its pods are real replicas.

The manifests are those that are shipped; the dispatcher has the rights of the shipped account.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.end_to_end.service import Service, distinct, photo, running, wait_until
from tests.kubernetes_api.cluster import Cluster, running_cluster
from tests.kubernetes_api.kinds import BY_NAME, Document, labels_of
from tests.kubernetes_api.processes import ProcessFolder
from tests.kubernetes_api.shipped import shipped

RAW = {"Content-Type": "image/jpeg"}
KINDS = ("ConfigMap", "Deployment", "Service", "PodDisruptionBudget")
SEEN_S = 5.0
"""Within which a change acts."""


@dataclass
class World:
    """A cluster, the dispatcher that uses it, and a client of it."""

    cluster: Cluster
    service: Service
    client: httpx.Client

    def predict(self, number: int, pipeline: str = "default") -> httpx.Response:
        image = distinct(photo(), number)
        return self.client.post(
            "/predict", params={"pipeline": pipeline}, content=image, headers=RAW
        )

    def label(self, number: int, pipeline: str = "default") -> str:
        """What a photo shows."""
        predictions = self.predict(number, pipeline).json()["result"]["predictions"]
        return str(predictions[0])

    def make(self, name: str, *steps: dict[str, Any]) -> dict[str, Any]:
        made = self.client.post("/pipeline", json={"name": name, "steps": list(steps)})
        assert made.status_code == 201, made.text
        self.until(name, lambda pipeline: pipeline["state"] == "ready")
        document: dict[str, Any] = made.json()
        return document

    def pipeline(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = self.client.get(f"/pipeline/{name}").json()
        return document

    def until(self, name: str, holds: Any) -> None:
        wait_until(lambda: holds(self.pipeline(name)), what=f"{name} as wanted", timeout_s=40)

    def delete(self, name: str) -> None:
        self.client.delete(f"/pipeline/{name}").raise_for_status()

    def of_pipeline(self, pipeline_id: str) -> list[str]:
        """Everything in the cluster that belongs to a pipeline."""
        return [
            f"{kind} {document['metadata']['name']}"
            for kind in BY_NAME
            for document in self.cluster.objects(kind)
            if labels_of(document).get("pipeline_id") == pipeline_id
        ]

    def metric(self, name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", self.client.get("/metrics").text, re.MULTILINE)
        assert found, name
        return float(found[1])

    def log(self) -> str:
        return self.service.stderr_path.read_text()


@pytest.fixture(scope="module")
def world(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("cluster")
    with running_cluster() as cluster:
        image = ProcessFolder(
            folder,
            namespace="conveyor-steps",
            # What an earlier start has converted, so that a pod is ready in a second.
            seeds={"/var/cache/conveyor": service.data_dir / "models"},
            overrides={"STEP_THREADS": "1"},
        )
        cluster.run_pods_for_real(image)
        cluster.load(shipped("dispatcher.yaml") + shipped("deployment.yaml"))
        flags = (
            "--topology=kubernetes",
            f"--kubeconfig={cluster.kubeconfig(folder, 'conveyor/dispatcher-writer')}",
            "--pod-cidrs=127.64.0.0/10",
        )
        with (
            running(folder / "data", *flags) as started,
            httpx.Client(base_url=started.url, timeout=30) as client,
        ):
            opened = World(cluster, started, client)
            wait_until(lambda: opened.predict(0).status_code == 200, what="a label", timeout_s=60)
            yield opened


@pytest.fixture(autouse=True)
def healed(world: World) -> Iterator[None]:
    """Let nothing that one test breaks hurt the next."""
    yield
    world.cluster.heal()


def test_the_shipped_default_pipeline_labels_a_photo(world: World) -> None:
    assert world.label(1) == "koala"


def test_a_pipeline_is_made_used_scaled_and_leaves_nothing(world: World) -> None:
    made = world.make("chain", {"type": "blur"}, {"type": "classifier", "params": {"top_k": 2}})
    pipeline_id = made["pipeline_id"]
    for kind in KINDS:
        found = [
            document["metadata"]["name"]
            for document in world.cluster.objects(kind)
            if labels_of(document).get("pipeline_id") == pipeline_id
        ]
        assert found == [f"{pipeline_id}-step-0", f"{pipeline_id}-step-1"]
    first = world.cluster.get("Service", f"{pipeline_id}-step-0")
    assert first["spec"]["type"] == "NodePort"
    assert not world.cluster.warnings, "nothing that is made is against Pod Security"

    wait_until(lambda: world.predict(2, "chain").status_code == 200, what="the chain", timeout_s=20)
    assert world.label(3, "chain") == "koala"

    body = {"replicas": 2}
    world.client.patch("/pipeline/chain/steps/0", json=body).raise_for_status()
    counts = {"desired": 2, "running": 2, "ready": 2}
    world.until("chain", lambda one: counts.items() <= one["steps"][0]["replicas"].items())

    world.delete("chain")
    assert world.predict(4, "chain").status_code == 404
    wait_until(lambda: not world.of_pipeline(pipeline_id), what="nothing left", timeout_s=SEEN_S)


def test_an_api_server_that_is_away_stops_no_image(world: World) -> None:
    """F47: what was known last goes on; who asks for a change is told to come again."""
    world.cluster.stop_answering()
    try:
        assert all(world.predict(10 + number).status_code == 200 for number in range(5))
        refused = world.client.post("/pipeline", json={"steps": [{"type": "blur"}]})
        assert (refused.status_code, refused.json()["code"]) == (503, "cluster_unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        wait_until(lambda: world.metric("dispatcher_discovery_age_seconds") > 1, what="age")
        assert world.predict(20).status_code == 200
    finally:
        world.cluster.answer_again()
    see_a_change(world, "later")  # as soon as before


def test_rights_that_are_taken_away_are_loud_and_stop_no_image(world: World) -> None:
    """F47: 403 after a change of the roles."""
    bindings = world.cluster.objects("RoleBinding")
    for binding in bindings:
        world.cluster.remove("RoleBinding", binding["metadata"]["name"])
    try:
        world.cluster.break_watches()
        wait_until(lambda: "is forbidden" in world.log(), what="a loud 403", timeout_s=10)
        assert world.predict(30).status_code == 200
        refused = world.client.post("/pipeline", json={"steps": [{"type": "blur"}]}).json()
        assert refused["code"] == "cluster_refused"
        assert "dispatcher-writer" in refused["detail"]
    finally:
        for binding in bindings:
            world.cluster.apply(anew(binding))
    see_a_change(world, "again")


def test_a_spoilt_record_stops_no_image(world: World) -> None:
    """F50: the last good version stays, and somebody is told."""
    name = "default-step-0"
    good = world.cluster.get("ConfigMap", name)["data"]["PIPELINE_CONFIG"]
    write_record(world, name, "steps: [")
    rejected = "dispatcher_discovery_rejected_records"
    wait_until(lambda: world.metric(rejected) == 1, what="an alarm", timeout_s=SEEN_S)
    assert world.predict(40).status_code == 200
    assert name in world.log()
    write_record(world, name, good)
    wait_until(lambda: world.metric(rejected) == 0, what="no alarm", timeout_s=SEEN_S)


@pytest.mark.parametrize(
    "where", ["http://169.254.169.254", "http://example.com:5000", "http://redis.other.svc:6379"]
)
def test_a_record_that_leads_elsewhere_is_not_followed(world: World, where: str) -> None:
    """F51: an outside address, the metadata address, another namespace."""
    copy_default(world, "evil", service=where)
    rejected = "dispatcher_discovery_rejected_records"
    wait_until(lambda: world.metric(rejected) == 1, what="an alarm", timeout_s=SEEN_S)
    assert world.predict(50, "evil").status_code == 404
    world.cluster.remove("ConfigMap", "evil-step-0")
    wait_until(lambda: world.metric(rejected) == 0, what="no alarm", timeout_s=SEEN_S)


def test_a_pod_at_the_metadata_address_gets_no_image(world: World) -> None:
    """F51: whoever can write EndpointSlices cannot have images sent anywhere."""
    labels = {"app": "nn-service", "pipeline_id": "default", "step_id": "0"}
    service_name = {"kubernetes.io/service-name": "default-step-0"}
    world.cluster.apply(
        {
            "kind": "EndpointSlice",
            "apiVersion": "discovery.k8s.io/v1",
            "metadata": {"name": "evil", "labels": labels | service_name},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["169.254.169.254"], "conditions": {"ready": True}}],
            "ports": [{"name": "http", "port": 5000, "protocol": "TCP"}],
        }
    )
    wait_until(lambda: "169.254.169.254" in world.log(), what="a complaint", timeout_s=SEEN_S)
    replicas = world.service.status()["replicas"]
    assert not [replica for replica in replicas if "169.254" in str(replica)]
    world.cluster.remove("EndpointSlice", "evil")


SLOW = {"type": "deblur", "params": {"iterations": 100}}
"""A second for a photo or longer."""


def test_an_image_in_work_goes_the_way_it_was_accepted_for(world: World) -> None:
    """F49: its pipeline is changed meanwhile; later images go the new way."""
    world.make("way", SLOW, {"type": "grayscale"}, {"type": "sobel"})
    before = in_work(world, "way", 60)
    body = {"preferred_next": "2"}
    world.client.patch("/pipeline/way/steps/0", json=body).raise_for_status()
    after = ended(world, submitted(world, "way", 61))
    assert [step["id"] for step in ended(world, before)["steps"]] == ["0", "1", "2"]
    assert [step["id"] for step in after["steps"]] == ["0", "2"]
    world.delete("way")


def test_an_image_in_work_ends_when_its_pipeline_is_deleted_by_hand(world: World) -> None:
    """F50: what was accepted ends, what comes later is told that there is nothing."""
    pipeline_id = world.make("short", SLOW)["pipeline_id"]
    job = in_work(world, "short", 70)
    world.cluster.remove("ConfigMap", f"{pipeline_id}-step-0")  # all the rest belongs to it
    wait_until(
        lambda: world.client.get("/pipeline/short").status_code == 404,
        what="a 404",
        timeout_s=SEEN_S,
    )
    assert world.predict(71, "short").status_code == 404
    assert ended(world, job)["status"] == "completed"
    wait_until(lambda: not world.of_pipeline(pipeline_id), what="nothing left", timeout_s=20)


def submitted(world: World, pipeline: str, number: int) -> str:
    """Send a photo; return the job's id."""
    image = distinct(photo(), number)
    query = {"pipeline": pipeline}
    answer = world.client.post("/predict_async", params=query, content=image, headers=RAW)
    return str(answer.raise_for_status().json()["request_id"])


def result(world: World, job: str) -> dict[str, Any]:
    document: dict[str, Any] = world.client.get(f"/result/{job}").json()
    return document


def in_work(world: World, pipeline: str, number: int) -> str:
    """Send a photo and wait until somebody works on it; return the job's id."""
    job = submitted(world, pipeline, number)
    wait_until(lambda: result(world, job)["status"] == "processing", what="work", pause_s=0.01)
    return job


def ended(world: World, job: str) -> dict[str, Any]:
    """Wait until a job has ended; return its result."""
    states = ("completed", "failed", "cancelled", "expired")
    wait_until(lambda: result(world, job)["status"] in states, what="its end", timeout_s=60)
    return result(world, job)


def see_a_change(world: World, name: str) -> None:
    """Make a record by hand and delete it; each is seen within seconds."""
    copy_default(world, name, service="")
    wait_until(lambda: name in world.service.status()["pipelines"], what=name, timeout_s=SEEN_S)
    world.cluster.remove("ConfigMap", f"{name}-step-0")
    wait_until(
        lambda: name not in world.service.status()["pipelines"],
        what=f"the end of {name}",
        timeout_s=SEEN_S,
    )


def copy_default(world: World, name: str, *, service: str) -> None:
    """Make the record of a pipeline like the default one by hand."""
    default = world.cluster.get("ConfigMap", "default-step-0")
    text = default["data"]["PIPELINE_CONFIG"].replace(
        "pipeline_id: default", f"pipeline_id: {name}"
    )
    labels = {**labels_of(default), "pipeline_id": name}
    world.cluster.apply(
        {
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "metadata": {"name": f"{name}-step-0", "labels": labels},
            "data": {"PIPELINE_CONFIG": re.sub("service: .*", f'service: "{service}"', text)},
        }
    )


def write_record(world: World, name: str, text: str) -> None:
    world.cluster.edit("ConfigMap", name, lambda one: one["data"].update(PIPELINE_CONFIG=text))


def anew(document: Document) -> Document:
    """Return an object as it was written, to be made again."""
    kept = {key: document["metadata"][key] for key in ("name", "namespace")}
    return {**document, "metadata": kept}
