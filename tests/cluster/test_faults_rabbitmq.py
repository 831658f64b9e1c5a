"""RabbitMQ stops, is killed, stands still, is full, loses queues: refusals, and nothing lost."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.conftest import Backends
from tests.cluster.crew import Crew
from tests.cluster.faults import findings, suffer
from tests.conftest import Tell


async def restarted(backends: Backends, _: Crew) -> None:
    await asyncio.to_thread(backends.rabbitmq.restart)


async def killed(backends: Backends, _: Crew) -> None:
    await asyncio.to_thread(backends.rabbitmq.kill)
    await asyncio.sleep(1.0)
    await asyncio.to_thread(backends.rabbitmq.start)


async def standing_still(backends: Backends, _: Crew) -> None:
    backends.rabbitmq.pause()
    await asyncio.sleep(backends.away_s)
    backends.rabbitmq.resume()


async def behind_a_black_hole(backends: Backends, _: Crew) -> None:
    backends.rabbitmq_network.drop()
    await asyncio.sleep(2 * backends.away_s)
    backends.rabbitmq_network.cut()  # what a network forgets when it comes back
    backends.rabbitmq_network.heal()


async def out_of_memory(backends: Backends, _: Crew) -> None:
    await asyncio.to_thread(backends.rabbitmq.ctl, "set_vm_memory_high_watermark", "0.00001")
    await asyncio.sleep(backends.away_s)
    await asyncio.to_thread(backends.rabbitmq.ctl, "set_vm_memory_high_watermark", "0.4")


async def robbed_of_its_queues(backends: Backends, _: Crew) -> None:
    for priority in ("high", "normal", "bulk"):
        for lane in ("oracle", "painter"):
            await asyncio.to_thread(
                backends.rabbitmq.ctl,
                "delete_queue",
                "-p",
                backends.vhost,
                f"conveyor.{lane}.{priority}",
            )


FAULTS = [
    restarted,
    killed,
    standing_still,
    behind_a_black_hole,
    out_of_memory,
    robbed_of_its_queues,
]


@pytest.mark.timeout(300)
async def test_a_broker_that_fails_costs_refusals_and_nothing_else(
    tmp_path: Path, backends: Backends, seed: int, is_long: bool, tell: Tell
) -> None:
    outages, verdict = await suffer(
        {fault.__name__: partial(fault, backends) for fault in FAULTS},
        folder=tmp_path,
        addresses=backends.addresses,
        seed=seed,
        is_long=is_long,
    )
    for fault, outage in outages.items():
        tell(f"{fault}: {outage}")
    tell(f"{verdict.accepted} accepted")
    assert verdict.findings() == []
    assert findings(outages) == {}
    assert verdict.accepted > 100
