"""One large picture over several dispatchers: joined once, whoever dies meanwhile."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.chunks.base import FOLDER
from tests.cluster.crew import Addresses
from tests.cluster.shared_pictures import Sharer, sharing_dispatchers
from tests.dispatcher.waiting import until

TILES = 8
WITHIN_S = 40.0


@pytest.fixture
async def sharers(
    tmp_path: Path, rabbitmq_url: str, redis_url: str
) -> AsyncIterator[tuple[list[Sharer], Path]]:
    """Two dispatchers, and the folder in which they keep objects."""
    objects = tmp_path / "objects"
    addresses = Addresses(rabbitmq_url, redis_url, str(objects))
    async with sharing_dispatchers(tmp_path, addresses) as found:
        yield found, objects


def tiles_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    (stage,) = [step for step in result["steps"] if "tiles" in step]
    return list(stage["tiles"])


def kept_of(job_id: str, objects: Path) -> int:
    """How many chunks of a job are kept."""
    return len(list((objects / FOLDER / job_id).glob("[0-9a-f]*")))


async def carrier_of(job_id: str, found: list[Sharer]) -> Sharer:
    await until(lambda: any(job_id in one.carried for one in found), within_s=WITHIN_S)
    return next(one for one in found if job_id in one.carried)


async def test_a_picture_is_joined_once_whoever_dies(
    sharers: tuple[list[Sharer], Path],
) -> None:
    found, objects = sharers
    whole = await found[0].send(tiles=1)
    await found[0].result_of(whole)
    expected = await found[0].picture_of(whole)

    # Nobody dies.
    job_id = await found[0].send(tiles=TILES)
    result = await found[1].result_of(job_id)
    assert result["status"] == "completed", result
    assert await found[1].picture_of(job_id) == expected
    assert {tile["dispatcher"] for tile in tiles_of(result)} == {one.name for one in found}
    assert sorted(index for one in found for index in one.chunks(job_id)) == list(range(TILES))

    # The one that helps.
    job_id = await found[0].send(tiles=TILES)
    carrier = await carrier_of(job_id, found)
    helper = next(one for one in found if one is not carrier)
    await until(lambda: helper.chunks(job_id), within_s=WITHIN_S)
    helper.process.kill()
    result = await carrier.result_of(job_id)
    assert result["status"] == "completed", result
    assert await carrier.picture_of(job_id) == expected
    asked = sorted(index for one in found for index in one.chunks(job_id))
    assert set(asked) == set(range(TILES))
    assert len(asked) <= TILES + 1, "only what it was computing is computed again"
    await helper.start()

    # The one that carries the job.
    job_id = await found[0].send(tiles=TILES)
    carrier = await carrier_of(job_id, found)
    helper = next(one for one in found if one is not carrier)
    await until(lambda: kept_of(job_id, objects) >= 3, within_s=WITHIN_S)
    carrier.process.kill()
    killed_at = time.monotonic()
    kept = kept_of(job_id, objects)
    result = await helper.result_of(job_id)
    assert result["status"] == "completed", result
    assert await helper.picture_of(job_id) == expected
    assert {index for one in found for index in one.chunks(job_id)} == set(range(TILES))
    assert len(helper.chunks(job_id, since=killed_at)) <= TILES - kept
