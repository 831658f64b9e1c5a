"""What a client is told of when its job will be done, against when it is."""

import asyncio

from aiohttp.web import StreamResponse

from dispatcher.api.documents import result
from dispatcher.pools.client import ReplicaClient
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.execution.works import NAMES, Works, running, works
from tests.dispatcher.scripted_replica import Request
from tests.dispatcher.waiting import now_s, until

BATCH_S = 0.04


async def slow(request: Request) -> StreamResponse:
    """Take the same time for every request."""
    await asyncio.sleep(BATCH_S)
    return await scripted.answer(request)


async def eta_s(found: Works, name: str) -> float | None:
    job = await found.results.get(name)
    position = found.queue.position(name)
    rate = found.figures.drain_rate(job.pipeline_id)
    estimate: float | None = result(job, position=position, drain_rate=rate)["eta_s"]
    return estimate


async def test_the_estimate_agrees_with_what_happens(client: ReplicaClient) -> None:
    async with works(client, slow) as found, running(found):
        await found.accept(*NAMES)
        assert await eta_s(found, NAMES[-1]) is None, "nothing has ended yet"
        await until(lambda: len(found.ended) >= 40)
        estimate, began = await eta_s(found, NAMES[-1]), now_s()
        await until(lambda: found.ended and found.ended[-1].id == NAMES[-1])
        took_s = now_s() - began
        assert estimate is not None
        assert took_s / 2 < estimate < took_s * 2


async def test_what_was_learnt_is_told_after_a_pause(client: ReplicaClient) -> None:
    async with works(client, slow) as found, running(found):
        await found.accept(*NAMES[:60])
        await until(found.is_idle)
        rate = found.figures.drain_rate()
        assert rate > 0
        for name in NAMES[60:70]:  # one by one: nobody has to wait
            await found.accept(name)
            await until(found.is_idle)
        assert found.figures.drain_rate() == rate
