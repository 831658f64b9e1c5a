"""The object store refuses, or never answers: images are refused at once, and nothing is lost."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.conftest import Backends
from tests.cluster.crew import Crew
from tests.cluster.faults import findings, suffer
from tests.conftest import Tell


async def refusing(backends: Backends, _: Crew) -> None:
    backends.s3_network.refuse()
    await asyncio.sleep(backends.away_s)
    backends.s3_network.heal()


async def never_answering(backends: Backends, _: Crew) -> None:
    backends.s3_network.drop()
    await asyncio.sleep(backends.away_s)
    backends.s3_network.heal()


async def cutting_connections(backends: Backends, _: Crew) -> None:
    for _round in range(20):
        backends.s3_network.cut()
        await asyncio.sleep(0.2)


FAULTS = [refusing, never_answering, cutting_connections]


@pytest.mark.timeout(300)
async def test_a_store_that_fails_costs_refusals_and_nothing_else(
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
