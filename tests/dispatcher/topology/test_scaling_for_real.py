"""A step of real processes follows its backlog, from one replica to two and back."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from dispatcher import wiring
from dispatcher.app import create_app
from dispatcher.settings import load_settings
from dispatcher.topology.autoscaler import ScalingPolicy
from dispatcher.topology.base import Topology
from dispatcher.topology.discovery import follow_records
from dispatcher.topology.model_files import ModelFiles
from dispatcher.topology.scaling_loop import ScalingLoop
from dispatcher.wiring import Services, build_services
from tests.dispatcher.images import png
from tests.dispatcher.topology.workshop import WITHIN_S, Workshop, default_record
from tests.dispatcher.waiting import until

SLOW = (sys.executable, "-S", "-E", str(Path(__file__).with_name("slow_replica.py")))
HASTY = ScalingPolicy(
    target_s=0.3, rate_window_s=1.0, max_rate_window_s=2.0, memory_s=5.0, stabilization_s=1.0
)
PIPELINE = {
    "name": "slow",
    "steps": [
        {
            "type": "classifier",
            "params": {"model": "takes-50"},
            "min_replicas": 1,
            "max_replicas": 2,
        }
    ],
}


@pytest.fixture
async def services(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Services]:
    """A service of slow replicas, all of whose loops run, in a hurry."""
    workshop.limits = replace(workshop.limits, command=SLOW)
    topology = Topology(
        discovery=workshop.records,
        launcher=workshop.launcher(default_record("takes-50")),
        model_files=ModelFiles(tmp_path / "user-models"),
        awaited_replicas=0,
    )
    monkeypatch.setattr(wiring, "build_topology", lambda *_, **__: topology)
    flags = ["--queue", "memory", "--data-dir", str(tmp_path / "data"), "--cache-size", "0"]
    built = build_services(load_settings(flags))
    scaling = ScalingLoop(
        built.admin.scale,
        queue=built.queue,
        pipelines=built.pipelines,
        pools=built.pools,
        figures=built.figures,
        metrics=built.metrics,
        policy=HASTY,
        interval_s=0.1,
    )
    async with AsyncExitStack() as stack:
        for resource in (built.queue, built.results, built.blobs, built.client):
            await resource.start()
            stack.push_async_callback(resource.close)
        await built.launcher.start()
        stack.push_async_callback(built.pools.close)
        following = follow_records(
            built.discovery, pipelines=built.pipelines, pools=built.pools, on_applied=scaling.take
        )
        for loop in (following, built.consumer.run(), built.monitor.run(), scaling.run()):
            stack.push_async_callback(_end, asyncio.create_task(loop))
        built.lifecycle.is_started = True
        yield built


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_backlog_brings_a_second_replica_that_leaves_when_it_is_gone(
    services: Services,
) -> None:
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as http:
        made = (await http.post("/pipeline", json=PIPELINE)).raise_for_status().json()
        step = f"{made['pipeline_id']}/0"

        async def counts() -> dict[str, int]:
            document = (await http.get("/pipeline/slow")).raise_for_status().json()
            found: dict[str, int] = document["steps"][0]["replicas"]
            return found

        async def send(number: int) -> httpx.Response:
            image = png(tail=number.to_bytes(4, "big"))
            headers = {"Content-Type": "application/octet-stream"}
            return await http.post("/predict?pipeline=slow", content=image, headers=headers)

        assert await counts() | {"ready": 0, "running": 0} == {
            "desired": 1, "running": 0, "ready": 0, "min": 1, "max": 2,
        }  # fmt: skip
        pool = services.pools.get(step)
        await until(lambda: pool.ready == 1, within_s=WITHIN_S)
        sending = [asyncio.create_task(send(number)) for number in range(100)]
        await until(lambda: pool.ready == 2, within_s=WITHIN_S)
        assert (await counts())["desired"] == 2
        assert (
            f'dispatcher_autoscaler_desired_replicas{{step="{step}"}} 2.0'
            in (await http.get("/metrics")).text
        )

        number = len(sending)
        while len(pool.replicas) == 2:  # a trickle, so that something is in work when one leaves
            sending.append(asyncio.create_task(send(number)))
            number += 1
            await asyncio.sleep(0.1)
        assert (await counts())["desired"] == 1
        answers = await asyncio.gather(*sending)
        assert {answer.status_code for answer in answers} == {200}
        assert f'dispatcher_backlog_seconds{{step="{step}"}}' in (await http.get("/metrics")).text
