"""A job's chunks, computed by several dispatchers and joined once."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from dispatcher.execution.executor import StoppedError
from dispatcher.jobs import Job, JobState
from dispatcher.pools.client import ReplicaClient
from tests.dispatcher import scripted_pictures as pictures
from tests.dispatcher.execution.chains import dedicated
from tests.dispatcher.execution.sharing.sharers import (
    QUICK,
    STEP,
    TILES,
    WHOLE,
    Board,
    Sharer,
    cut_all,
    hold_and_cut,
    refuse,
    sharers,
)
from tests.dispatcher.recorded_spans import CAUSE
from tests.dispatcher.records import make_pipeline
from tests.dispatcher.scripted_replica import hang
from tests.dispatcher.waiting import until

ALL = list(range(TILES))


def dispatchers_of(job: Job) -> Counter[str]:
    return Counter(chunk.dispatcher for chunk in job.stages[-1].chunks)


def asked(found: list[Sharer]) -> list[int]:
    """The chunks that any replica of these dispatchers was asked for."""
    return sorted(index for one in found for index in one.chunks())


def is_empty(board: Board) -> bool:
    return (board.offers.waiting(STEP), board.offers.taken()) == (0, 0)


# Sharing


async def test_a_picture_is_computed_by_the_replicas_of_all_dispatchers(
    client: ReplicaClient,
) -> None:
    async with sharers(client, Board(), (cut_all,), (cut_all,), (cut_all,)) as found:
        job = await found[0].carry()
        assert await found[0].picture_of(job) == WHOLE
        assert asked(found) == ALL
        assert dispatchers_of(job) == {one.name: len(one.chunks()) for one in found if one.chunks()}


async def test_whoever_computes_a_chunk_knows_the_trace_of_the_job(client: ReplicaClient) -> None:
    async with sharers(client, Board(), (cut_all,), (cut_all,)) as found:
        await found[0].carry(trace=CAUSE)
        assert all(one.items() for one in found)
        assert {item.trace for one in found for item in one.items()} == {CAUSE}


async def test_a_dispatcher_takes_as_many_chunks_as_it_has_replicas(client: ReplicaClient) -> None:
    one, two = (hold_and_cut,), (hold_and_cut, hold_and_cut)
    async with sharers(client, Board(), one, two) as (carrier, helper):
        carrying = asyncio.create_task(carrier.carry())
        await until(lambda: len(carrier.chunks()) == 1 and len(helper.chunks()) == 2)
        carrier.release()
        helper.release()
        assert (await carrying).state is JobState.COMPLETED
        assert asked([carrier, helper]) == ALL


async def test_each_chunk_tells_its_replica_and_its_dispatcher(client: ReplicaClient) -> None:
    async with sharers(client, Board(), (cut_all,), (cut_all,)) as found:
        job = await found[0].carry()
        urls = {one.name: one.line.replicas[STEP][0].url for one in found}
        (run,) = job.stages
        assert [chunk.index for chunk in run.chunks] == ALL
        assert [chunk.rows for chunk in run.chunks] == [16] * TILES
        assert all(chunk.replica == urls[chunk.dispatcher] for chunk in run.chunks)
        assert {(chunk.attempts, chunk.duration_s) for chunk in run.chunks} == {(1, 0.001)}


async def test_a_picture_between_two_stages_is_shared_and_then_removed(
    client: ReplicaClient,
) -> None:
    pipeline = make_pipeline(dedicated("b", "blur"), dedicated("t", "sobel", {"tiles": TILES}))
    board = Board()
    group = (hold_and_cut,)
    async with sharers(client, board, group, group, pipeline=pipeline) as (carrier, helper):
        for one in (carrier, helper):
            one.line.replicas["default/b"][0].script = pictures.paint
        carrying = asyncio.create_task(carrier.carry())
        await until(lambda: carrier.chunks() and helper.chunks())
        carrier.release()
        helper.release()
        assert await carrier.picture_of(await carrying) == WHOLE
        assert {item.image for item in helper.items()} == {b"koala|own"}
        await until(lambda: not board.shelf.paths())


async def test_what_was_joined_is_removed(client: ReplicaClient) -> None:
    board = Board()
    async with sharers(client, board, (cut_all,), (cut_all,)) as (carrier, _):
        await carrier.carry()
        await until(lambda: is_empty(board) and not board.shelf.paths())


# Not sharing


async def test_a_dispatcher_alone_computes_all_chunks_and_offers_none(
    client: ReplicaClient,
) -> None:
    board = Board()
    async with sharers(client, board, (cut_all, cut_all)) as (carrier,):
        assert dispatchers_of(await carrier.carry()) == {carrier.name: TILES}
        assert not board.shelf.paths()


async def test_chunks_that_one_s_own_replicas_compute_at_once_are_not_offered(
    client: ReplicaClient,
) -> None:
    async with sharers(client, Board(), (cut_all,) * TILES, (cut_all,)) as (carrier, helper):
        assert dispatchers_of(await carrier.carry()) == {carrier.name: TILES}
        assert helper.chunks() == []


async def test_a_small_picture_is_not_shared(client: ReplicaClient) -> None:
    policy = replace(QUICK, min_weight_bytes=128 * 128 * 3 + 1)
    async with sharers(client, Board(), (cut_all,), (cut_all,), policy=policy) as found:
        assert dispatchers_of(await found[0].carry()) == {found[0].name: TILES}


async def test_chunks_that_take_less_time_than_sharing_are_not_offered_again(
    client: ReplicaClient,
) -> None:
    # Each tells that it took a millisecond: four rounds less are worth four.
    policy = replace(QUICK, fixed_cost_s=0.005)
    async with sharers(client, Board(), (cut_all,), (cut_all,), policy=policy) as found:
        first = dispatchers_of(await found[0].carry(job_id="job-1"))
        second = dispatchers_of(await found[0].carry(job_id="job-2"))
        assert len(first) == 2, "nothing was known yet"
        assert second == {found[0].name: TILES}


# Failing


@pytest.mark.parametrize("index", [0, TILES - 1])
async def test_a_chunk_that_is_refused_ends_the_job_whoever_asked(
    client: ReplicaClient, index: int
) -> None:
    board = Board()
    script = refuse(index)
    async with sharers(client, board, (script,), (script,)) as (carrier, _):
        job = await carrier.carry()
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert job.error.code == "image_corrupt"
        board.over.add(job.id)
        carrier.sharing.helper.want(STEP)
        await until(lambda: is_empty(board))


async def test_the_chunks_of_a_job_that_is_stopped_are_stopped_everywhere(
    client: ReplicaClient,
) -> None:
    board = Board()
    async with sharers(client, board, (hang,), (hang,)) as found:
        carrying = asyncio.create_task(found[0].carry())
        await until(lambda: len(asked(found)) == 2)
        board.over.add("job-1")
        found[0].executor.stop("job-1")
        with pytest.raises(StoppedError):
            await carrying
        found[0].sharing.helper.want(STEP)
        await until(lambda: is_empty(board))
        assert len(asked(found)) == 2, "what was left over is computed by nobody"
