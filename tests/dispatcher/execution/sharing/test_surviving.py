"""Dispatchers that die and servers that are away: the job ends all the same, once and right."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from dispatcher.chunks.base import ChunkOutcome, ChunkRequest
from dispatcher.chunks.memory import MemoryChunkNews, MemoryChunkOffers, MemoryChunkShelf
from dispatcher.errors import (
    QueueUnavailableError,
    ResultsUnavailableError,
    StorageUnavailableError,
)
from dispatcher.jobs import Job, JobError, JobState
from dispatcher.pools.client import ReplicaClient
from tests.dispatcher.execution.sharing.sharers import (
    QUICK,
    STEP,
    TILES,
    WHOLE,
    Board,
    cut_all,
    hold_and_cut,
    made,
    sharers,
    wants,
)
from tests.dispatcher.waiting import until

ELSEWHERE = {STEP: ["http://10.0.0.9:5000"]}
"""A replica of a dispatcher that only the test plays."""


def done_by(job: Job, name: str) -> list[int]:
    return [chunk.index for chunk in job.stages[-1].chunks if chunk.dispatcher == name]


# Carriers


async def test_the_next_carrier_computes_only_what_the_last_has_not_kept(
    client: ReplicaClient,
) -> None:
    board = Board()
    for index in (0, 3, 7):
        await board.shelf.keep(wants(index).path, made(index))
    async with sharers(client, board, (cut_all,)) as (carrier,):
        job = await carrier.carry()
        assert sorted(carrier.chunks()) == [1, 2, 4, 5, 6]
        assert done_by(job, "gone") == [0, 3, 7]
        assert await carrier.picture_of(job) == WHOLE
        await until(lambda: not board.shelf.paths())


async def test_a_carrier_that_finds_every_chunk_only_joins_them(client: ReplicaClient) -> None:
    board = Board()
    for index in range(TILES):
        await board.shelf.keep(wants(index).path, made(index))
    async with sharers(client, board, (cut_all,)) as (carrier,):
        assert await carrier.picture_of(await carrier.carry()) == WHOLE
        assert carrier.chunks() == []


async def test_a_failure_that_the_last_carrier_has_left_ends_the_job(client: ReplicaClient) -> None:
    board = Board()
    failure = ChunkOutcome(dispatcher="gone", attempts=3, error=JobError("poison", "It is so."))
    await board.shelf.keep(wants(5).path, failure)
    async with sharers(client, board, (cut_all,)) as (carrier,):
        job = await carrier.carry()
        assert (job.state, job.error, job.attempts) == (JobState.FAILED, failure.error, 3)
        assert carrier.chunks() == []


# Helpers


async def test_what_a_helper_gives_back_is_computed_by_others(client: ReplicaClient) -> None:
    board = Board()
    async with sharers(client, board, (hold_and_cut,), (hold_and_cut,)) as (carrier, helper):
        carrying = asyncio.create_task(carrier.carry())
        await until(lambda: carrier.chunks() and helper.chunks())
        await helper.stop()
        carrier.release()
        job = await carrying
        assert await carrier.picture_of(job) == WHOLE
        assert done_by(job, carrier.name) == list(range(TILES))


async def test_what_a_dead_helper_has_taken_is_computed_by_the_carrier(
    client: ReplicaClient,
) -> None:
    board = Board()
    async with sharers(client, board, (hold_and_cut,)) as (carrier,):
        await board.news.beat(ELSEWHERE, (), for_s=60)
        carrying = asyncio.create_task(carrier.carry())
        await until(carrier.chunks)
        taken = [await board.offers.take(STEP), await board.offers.take(STEP)]
        carrier.release()
        job = await carrying
        assert None not in taken
        assert await carrier.picture_of(job) == WHOLE
        assert sorted(carrier.chunks()) == list(range(TILES)), "and each of them once"


async def test_what_a_living_helper_works_on_is_left_to_it(client: ReplicaClient) -> None:
    news = WatchedNews()
    board = Board(news=news)
    async with sharers(client, board, (hold_and_cut,)) as (carrier,):
        await board.news.beat(ELSEWHERE, (), for_s=60)
        carrying = asyncio.create_task(carrier.carry())
        await until(carrier.chunks)
        offer = await board.offers.take(STEP)
        assert offer is not None
        await board.news.beat({}, [offer.request.path], for_s=60)
        carrier.release()
        looks = round(3 * QUICK.patience_s / QUICK.look_every_s)
        await until(lambda: news.looks > looks)
        await board.shelf.keep(offer.request.path, made(offer.request.index))
        await board.news.tell_kept(offer.request.path)
        job = await carrying
        assert done_by(job, "gone") == [offer.request.index]
        assert offer.request.index not in carrier.chunks()


async def test_an_outcome_is_found_although_nobody_told_of_it(client: ReplicaClient) -> None:
    board = Board()
    async with sharers(client, board, (hold_and_cut,)) as (carrier,):
        await board.news.beat(ELSEWHERE, (), for_s=60)
        carrying = asyncio.create_task(carrier.carry())
        await until(carrier.chunks)
        offer = await board.offers.take(STEP)
        assert offer is not None
        await board.shelf.keep(offer.request.path, made(offer.request.index))
        carrier.release()
        assert done_by(await carrying, "gone") == [offer.request.index]


# Servers


@dataclass
class BrokenOffers(MemoryChunkOffers):
    """Offers that cannot be made."""

    def __post_init__(self) -> None:
        super().__init__()

    async def offer(self, requests: Sequence[ChunkRequest]) -> None:
        raise QueueUnavailableError


class WatchedNews(MemoryChunkNews):
    """Counts how often it was asked who is at work."""

    looks = 0

    async def in_work(self, paths: Sequence[str]) -> set[str]:
        self.looks += 1
        return await super().in_work(paths)


class SilentNews(MemoryChunkNews):
    """News of which nothing can be told or asked any more, from some moment on."""

    is_away = False

    async def call(self, step: str) -> None:
        self._check()
        await super().call(step)

    async def tell_kept(self, path: str) -> None:
        self._check()

    async def in_work(self, paths: Sequence[str]) -> set[str]:
        self._check()
        return await super().in_work(paths)

    async def replicas(self, step: str) -> set[str]:
        self._check()
        return await super().replicas(step)

    def _check(self) -> None:
        if self.is_away:
            raise ResultsUnavailableError


@dataclass
class FullShelf(MemoryChunkShelf):
    """A shelf on which nothing can be kept."""

    tried: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def keep(self, path: str, outcome: ChunkOutcome) -> None:
        self.tried.append(path)
        raise StorageUnavailableError

    async def finished(self, job_id: str) -> set[str]:
        raise StorageUnavailableError


async def test_without_a_broker_the_carrier_computes_all_chunks(client: ReplicaClient) -> None:
    board = Board(offers=BrokenOffers())
    async with sharers(client, board, (cut_all,), (cut_all,)) as (carrier, helper):
        job = await carrier.carry()
        assert await carrier.picture_of(job) == WHOLE
        assert done_by(job, carrier.name) == list(range(TILES))
        assert helper.chunks() == []


async def test_without_news_the_carrier_computes_all_chunks(client: ReplicaClient) -> None:
    news = SilentNews()
    async with sharers(client, Board(news=news), (cut_all,), (cut_all,)) as (carrier, _):
        news.is_away = True
        assert done_by(await carrier.carry(), carrier.name) == list(range(TILES))


async def test_news_that_stop_on_the_way_cost_no_chunk(client: ReplicaClient) -> None:
    news = SilentNews()
    board = Board(news=news)
    group = (hold_and_cut,)
    async with sharers(client, board, group, group) as (carrier, helper):
        carrying = asyncio.create_task(carrier.carry())
        await until(lambda: carrier.chunks() and helper.chunks())
        news.is_away = True
        carrier.release()
        helper.release()
        job = await carrying
        assert await carrier.picture_of(job) == WHOLE
        assert sorted([*carrier.chunks(), *helper.chunks()]) == list(range(TILES))


async def test_without_a_shelf_the_carrier_computes_what_others_cannot_keep(
    client: ReplicaClient,
) -> None:
    board = Board(shelf=FullShelf())
    async with sharers(client, board, (hold_and_cut,), (cut_all,)) as (carrier, helper):
        carrying = asyncio.create_task(carrier.carry())
        await until(lambda: carrier.chunks() and helper.chunks())
        carrier.release()
        job = await carrying
        assert await carrier.picture_of(job) == WHOLE
        assert set(carrier.chunks()) == set(range(TILES))
        assert job.state is JobState.COMPLETED


async def test_a_helper_without_replicas_leaves_its_chunk_to_others(client: ReplicaClient) -> None:
    board = Board()
    async with sharers(client, board, (hold_and_cut,), (hold_and_cut,)) as (carrier, helper):
        carrying = asyncio.create_task(carrier.carry())
        await until(lambda: carrier.chunks() and helper.chunks())
        helper.line.pools.apply({STEP: []})
        carrier.release()
        helper.release()
        job = await carrying
        assert await carrier.picture_of(job) == WHOLE


@pytest.mark.parametrize("count", [1, 2])
async def test_many_large_pictures_at_a_time_all_come_to_their_end(
    client: ReplicaClient, count: int
) -> None:
    async with sharers(client, Board(), *[(cut_all,)] * (count + 1)) as found:
        jobs = await asyncio.gather(
            *(one.carry(job_id=f"job-{n}-{one.name}") for one in found for n in range(6))
        )
        assert {job.state for job in jobs} == {JobState.COMPLETED}
        assert sum(len(one.chunks()) for one in found) == 6 * len(found) * TILES
