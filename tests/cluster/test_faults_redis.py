"""Redis is emptied, killed, stands still or is slow: it costs time, and no job."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.conftest import Backends
from tests.cluster.crew import Crew
from tests.cluster.faults import findings, suffer
from tests.conftest import Tell


async def emptied(backends: Backends, _: Crew) -> None:
    for _round in range(3):
        with backends.redis.client() as client:
            await asyncio.to_thread(client.flushall)
        await asyncio.sleep(1.0)


async def killed(backends: Backends, _: Crew) -> None:
    await asyncio.to_thread(backends.redis.kill)
    await asyncio.sleep(backends.away_s)
    await asyncio.to_thread(backends.redis.start)


async def standing_still(backends: Backends, _: Crew) -> None:
    backends.redis.pause()
    await asyncio.sleep(backends.away_s)
    backends.redis.resume()


async def slow(backends: Backends, _: Crew) -> None:
    backends.redis_network.delay(0.25)
    await asyncio.sleep(backends.away_s)
    backends.redis_network.heal()


FAULTS = [emptied, killed, standing_still, slow]


@pytest.mark.timeout(300)
async def test_a_redis_that_fails_costs_time_and_no_job(
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
    # What ran twice because nobody knew any more that it was known is no harm.
    verdict.repeated.clear()
    assert verdict.findings() == []
    assert findings(outages) == {}
    assert verdict.accepted > 100
