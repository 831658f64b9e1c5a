"""Pipelines made, used, scaled, hurt and deleted on a service of real processes."""

import asyncio
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from tests.end_to_end.service import (
    Service,
    distinct,
    is_gone,
    photo,
    running,
    wait_until,
)

FLAGS = ("--replicas", "1", "--operation-replicas", "0")
RAW = {"Content-Type": "image/jpeg"}
BIRDS = {"name": "birds", "steps": [{"type": "classifier", "params": {"top_k": 2}}]}
CHAIN = {
    "name": "chain",
    "steps": [
        {"step_id": 0, "type": "upscaling", "params": {"scale": 2}, "next_step": 1},
        {"step_id": 1, "type": "classifier", "params": {}, "next_step": 2},
    ],
}


class Topology:
    """The calls about pipelines of one service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.client = httpx.Client(base_url=service.url, timeout=60)

    def create(self, document: object) -> dict[str, Any]:
        made: dict[str, Any] = self.client.post("/pipeline", json=document).json()
        assert made["status"] == "success", made
        return made

    def read(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = self.client.get(f"/pipeline/{name}").json()
        return document

    def until(self, name: str, state: str) -> dict[str, Any]:
        wait_until(lambda: self.read(name)["state"] == state, what=f"{name} {state}", timeout_s=40)
        return self.read(name)

    def scale(self, name: str, replicas: int) -> None:
        """Have so many replicas of the first step, and wait until there are."""
        path = f"/pipeline/{name}/steps/0"
        self.client.patch(path, json={"replicas": replicas}).raise_for_status()
        counts = dict.fromkeys(("desired", "running", "ready", "min", "max"), replicas)
        wait_until(
            lambda: self.read(name)["steps"][0]["replicas"] == counts,
            what=f"{replicas} replicas",
            timeout_s=40,
        )

    def predict(self, name: str, number: int) -> httpx.Response:
        image = distinct(photo(), number)
        return self.client.post("/predict", params={"pipeline": name}, content=image, headers=RAW)

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.service.data_dir / "topology").iterdir())


def processes_of(document: dict[str, Any]) -> list[psutil.Process]:
    """The replicas of a pipeline, found by the ports that they listen on."""
    ports = {int(url.rsplit(":", 1)[1]) for step in document["steps"] for url in step["endpoints"]}
    return [p for p in psutil.Process().children(recursive=True) if ports & listening(p)]


def listening(process: psutil.Process) -> set[int]:
    """The ports that a process listens on; none when it ended meanwhile."""
    try:
        connections = process.net_connections("tcp")
    except psutil.Error:
        return set()
    return {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}


@contextmanager
def topology(data_dir: Path) -> Iterator[Topology]:
    with running(data_dir, *FLAGS) as started:
        opened = Topology(started)
        yield opened
        opened.client.close()


@pytest.fixture(scope="module")
def shared(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    data_dir = tmp_path_factory.mktemp("topology") / "data"
    shutil.copytree(service.data_dir / "models", data_dir / "models")
    with topology(data_dir) as opened:
        yield opened


@pytest.fixture
def own(shared: Topology) -> Iterator[Topology]:
    """A service on which a test may make pipelines; none of them stays."""
    yield shared
    for pipeline in shared.client.get("/pipeline").json()["pipelines"]:
        shared.client.delete(f"/pipeline/{pipeline['pipeline_id']}")


def test_a_pipeline_is_made_used_and_deleted_without_a_trace(own: Topology) -> None:
    pipeline_id = own.create(BIRDS)["pipeline_id"]
    # Accepted before any replica is ready: it waits for one.
    for number, name in enumerate((pipeline_id, "birds")):
        document = own.predict(name, number).json()
        assert (document["status"], document["pipeline"]) == ("completed", pipeline_id)
        assert document["result"]["predictions"][0] == "koala"
        assert len(document["result"]["predictions"]) == 2
    ready = own.until("birds", "ready")
    direct = httpx.post(ready["entry"]["process_url"], content=photo(), headers=RAW)
    assert direct.json()["predictions"][0] == "koala"
    assert "X-Step-0-Time" in direct.headers

    replicas = processes_of(ready)
    assert len(replicas) == 1
    assert own.client.delete("/pipeline/birds").json()["pipeline_id"] == pipeline_id
    assert is_gone(replicas)
    assert own.files() == ["default-step-0.yaml"]
    for method, path in (("GET", ""), ("DELETE", ""), ("PATCH", "/steps/0")):
        response = own.client.request(method, f"/pipeline/birds{path}", json={"replicas": 1})
        assert (response.status_code, response.json()["code"]) == (404, "unknown_pipeline")
    assert own.predict("birds", 2).status_code == 404
    assert own.predict("default", 3).json()["status"] == "completed"


def test_a_chain_answers_through_the_service_and_at_its_entry(own: Topology) -> None:
    own.create(CHAIN)
    document = own.predict("chain", 0).json()
    assert [(step["id"], step["type"]) for step in document["steps"]] == [
        ("0", "upscaling"),
        ("1", "classifier"),
    ]
    assert document["result"]["predictions"][0] == "koala"
    ready = own.until("chain", "ready")
    direct = httpx.post(ready["entry"]["process_url"], content=photo(), headers=RAW, timeout=30)
    assert direct.json()["predictions"][0] == "koala"
    assert {"x-step-0-time", "x-step-1-time"} <= direct.headers.keys()
    replicas = processes_of(ready)
    assert len(replicas) == 2
    assert own.client.delete("/pipeline/chain").is_success
    assert is_gone(replicas)


async def send_until(
    own: Topology, url: str, answers: list[httpx.Response], is_over: Callable[[], bool]
) -> None:
    """Send photos to the service and to an entry, one after the other, until it is over."""
    async with httpx.AsyncClient(timeout=60) as client:
        while not is_over():
            image = distinct(photo(), len(answers))
            service = f"{own.service.url}/predict?pipeline=birds"
            answers += await asyncio.gather(
                *(client.post(place, content=image, headers=RAW) for place in (service, url))
            )


async def test_scaling_up_and_down_costs_no_client_an_error(own: Topology) -> None:
    own.create(BIRDS)
    entry = own.until("birds", "ready")["entry"]
    answers: list[httpx.Response] = []

    async def scale() -> None:
        while len(answers) <= 20:
            for replicas in (2, 1):
                await asyncio.to_thread(own.scale, "birds", replicas)

    scaling = asyncio.create_task(scale())
    await send_until(own, entry["process_url"], answers, scaling.done)
    await scaling
    assert {answer.status_code for answer in answers} == {200}
    results = [answer.json().get("result") or answer.json() for answer in answers]
    assert {result["predictions"][0] for result in results} == {"koala"}
    assert own.read("birds")["entry"] == entry


def test_new_images_take_the_preferred_way_as_soon_as_it_is_chosen(own: Topology) -> None:
    steps = [{"type": "blur"}, {"type": "sobel"}, {"type": "classifier"}]
    own.create({"name": "three", "steps": steps})
    own.until("three", "ready")

    def passed(number: int) -> list[str]:
        return [step["id"] for step in own.predict("three", number).json()["steps"]]

    assert passed(1) == ["0", "1", "2"]
    path = "/pipeline/three/steps/0"
    assert own.client.patch(path, json={"preferred_next": 2}).json()["preferred_next"] == "2"
    assert passed(2) == ["0", "2"]
    entry = own.read("three")["entry"]["process_url"]
    direct = httpx.post(entry, content=photo(), headers=RAW, timeout=30)
    assert "x-step-1-time" not in direct.headers
    assert "x-step-2-time" in direct.headers
    assert own.client.patch(path, json={"preferred_next": None}).is_success
    assert passed(3) == ["0", "1", "2"]


async def test_a_deleted_pipeline_finishes_what_it_has_accepted(own: Topology) -> None:
    own.create(BIRDS)
    own.until("birds", "ready")
    async with httpx.AsyncClient(base_url=own.service.url, timeout=60) as client:
        accepted = await asyncio.gather(
            *(
                client.post(
                    "/predict_async?pipeline=birds", content=distinct(photo(), number), headers=RAW
                )
                for number in range(100, 160)
            )
        )
        deleted = await client.delete("/pipeline/birds")
        assert deleted.is_success
        documents = [(await client.get(ticket.json()["status_url"])).json() for ticket in accepted]
    assert {document["status"] for document in documents} == {"completed"}


def test_a_killed_replica_comes_back_on_its_port(own: Topology) -> None:
    own.create(BIRDS)
    before = own.until("birds", "ready")
    (victim,) = processes_of(before)
    victim.send_signal(signal.SIGKILL)
    wait_until(lambda: is_gone([victim]))
    wait_until(lambda: own.read("birds")["state"] == "ready" and processes_of(own.read("birds")))
    after = own.read("birds")
    assert after["steps"][0]["endpoints"] == before["steps"][0]["endpoints"]
    assert processes_of(after) != [victim]
    assert own.predict("birds", 1).json()["status"] == "completed"


def test_a_pipeline_survives_the_dispatcher(data_dir: Path) -> None:
    with topology(data_dir) as first:
        made = first.create(BIRDS)
        before = first.until("birds", "ready")
        first.service.stop(signal.SIGTERM)
        wait_until(lambda: is_gone(first.service.family), what="the end of the replicas")
    (path,) = (data_dir / "topology").iterdir()
    assert path.name == f"{made['pipeline_id']}-step-0.yaml"
    config = yaml.safe_load(yaml.safe_load(path.read_text())["data"]["PIPELINE_CONFIG"])
    assert config["endpoints"] == []
    with topology(data_dir) as second:
        assert second.until("birds", "ready") == before
        assert second.predict("birds", 1).json()["status"] == "completed"
        assert second.client.delete("/pipeline/birds").is_success
        assert not path.exists()


def test_a_step_that_can_never_start_hurts_nobody_else(own: Topology) -> None:
    own.create({"name": "bad", "steps": [{"type": "classifier", "params": {"model": "no_such"}}]})
    failed = own.until("bad", "failed")
    assert "unknown model 'no_such'" in failed["steps"][0]["reason"]
    assert failed["steps"][0]["replicas"] == {
        "desired": 1, "running": 0, "ready": 0, "min": 1, "max": 1,
    }  # fmt: skip
    assert own.client.get("/readyz").is_success
    assert own.predict("default", 1).json()["status"] == "completed"
    assert own.client.delete("/pipeline/bad").is_success
    assert own.files() == ["default-step-0.yaml"]
