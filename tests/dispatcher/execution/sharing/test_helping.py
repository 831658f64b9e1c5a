"""Chunks that are taken off the board: which, how many, and what becomes of them."""

import asyncio
import hashlib
from dataclasses import replace

from aiohttp.web import StreamResponse

from dispatcher.pools.client import ReplicaClient
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.execution.sharing.sharers import (
    IMAGE,
    QUICK,
    STEP,
    Board,
    cut_all,
    hold_and_cut,
    made,
    refuse,
    sharers,
    wants,
)
from tests.dispatcher.scripted_replica import Request
from tests.dispatcher.waiting import turns, until


async def board_with(*indices: int) -> Board:
    """A board on which these chunks are offered."""
    board = Board()
    await board.blobs.put(hashlib.sha256(IMAGE).hexdigest(), IMAGE)
    await board.offers.offer([wants(index) for index in indices])
    return board


def is_empty(board: Board) -> bool:
    return (board.offers.waiting(STEP), board.offers.taken()) == (0, 0)


async def test_what_was_computed_is_kept_and_told(client: ReplicaClient) -> None:
    board = await board_with(3)
    async with sharers(client, board, (cut_all,)) as (helper,):
        helper.sharing.helper.want(STEP)
        await until(lambda: is_empty(board))
        outcome = await board.shelf.find(wants(3).path)
        assert outcome is not None
        assert outcome.reply == made(3).reply
        assert outcome.dispatcher == helper.name
        assert outcome.replica == helper.line.replicas[STEP][0].url


async def test_what_is_kept_already_is_not_computed_again(client: ReplicaClient) -> None:
    board = await board_with(0, 1)
    await board.shelf.keep(wants(0).path, made(0))
    async with sharers(client, board, (cut_all,)) as (helper,):
        helper.sharing.helper.want(STEP)
        await until(lambda: is_empty(board))
        assert helper.chunks() == [1]


async def test_what_is_offered_again_while_it_is_computed_is_computed_once(
    client: ReplicaClient,
) -> None:
    board = await board_with(0)
    async with sharers(client, board, (hold_and_cut, hold_and_cut)) as (helper,):
        helper.sharing.helper.want(STEP)
        await until(helper.chunks)
        await board.offers.offer([wants(0)])
        helper.sharing.helper.want(STEP)
        await until(lambda: (board.offers.waiting(STEP), board.offers.taken()) == (0, 1))
        helper.release()
        await until(lambda: is_empty(board))
        assert helper.chunks() == [0]


async def test_a_judgement_is_kept_for_whoever_carries_the_job(client: ReplicaClient) -> None:
    board = await board_with(0)
    async with sharers(client, board, (refuse(0),)) as (helper,):
        helper.sharing.helper.want(STEP)
        await until(lambda: is_empty(board))
        outcome = await board.shelf.find(wants(0).path)
        assert outcome is not None
        assert outcome.error is not None
        assert (outcome.error.code, outcome.reply) == ("image_corrupt", b"")


async def test_data_instead_of_a_chunk_is_a_failure(client: ReplicaClient) -> None:
    board = await board_with(0)
    async with sharers(client, board, (scripted.answer,)) as (helper,):
        helper.sharing.helper.want(STEP)
        await until(lambda: is_empty(board))
        outcome = await board.shelf.find(wants(0).path)
        assert outcome is not None
        assert outcome.error is not None
        assert outcome.error.code == "invalid_response"


async def test_chunks_of_a_picture_that_is_gone_are_left_to_the_carrier(
    client: ReplicaClient,
) -> None:
    board = Board()
    await board.offers.offer([wants(0)])
    async with sharers(client, board, (cut_all,)) as (helper,):
        helper.sharing.helper.want(STEP)
        await until(lambda: is_empty(board))
        assert helper.chunks() == []
        assert not await board.shelf.has(wants(0).path)


async def test_a_dispatcher_without_a_ready_replica_takes_nothing(client: ReplicaClient) -> None:
    board = await board_with(0)
    async with sharers(client, board, (cut_all,)) as (helper,):
        helper.line.pools.apply({STEP: []})
        helper.sharing.helper.want(STEP)
        helper.sharing.helper.want("nobody/knows")
        await turns(20)
        assert (board.offers.waiting(STEP), board.offers.taken()) == (1, 0)


async def test_one_whose_replicas_are_at_work_takes_a_chunk_all_the_same_if_nobody_else_does(
    client: ReplicaClient,
) -> None:
    board = await board_with(0)

    async def hold_others(request: Request) -> StreamResponse:
        if request.items[0].tile is None:
            await request.replica.released.wait()
        return await cut_all(request)

    async with sharers(client, board, (hold_others,)) as (helper,):
        other = asyncio.create_task(helper.carry(overrides={"t": {"tiles": 1}}))
        await until(helper.items)
        helper.sharing.helper.want(STEP)
        await until(lambda: is_empty(board))
        helper.release()
        await other


async def test_one_whose_replicas_are_at_work_leaves_a_chunk_to_one_whose_are_not(
    client: ReplicaClient,
) -> None:
    board = await board_with(0)
    patient = replace(QUICK, hesitation_s=60.0)
    group = (hold_and_cut,)
    async with sharers(client, board, group, (cut_all,), policy=patient) as (busy, idle):
        other = asyncio.create_task(busy.carry(overrides={"t": {"tiles": 1}}))
        await until(busy.items)
        await board.news.call(STEP)
        await until(lambda: is_empty(board))
        assert (busy.chunks(), idle.chunks()) == ([], [0])
        busy.release()
        await other


async def test_what_is_in_work_is_given_back_at_the_end(client: ReplicaClient) -> None:
    board = await board_with(0, 1)
    async with sharers(client, board, (hold_and_cut,)) as (helper,):
        helper.sharing.helper.want(STEP)
        await until(helper.chunks)
        assert helper.sharing.helper.in_work() == {wants(0).path}
        await helper.stop()
        assert (board.offers.waiting(STEP), board.offers.taken()) == (2, 0)


async def test_everybody_knows_what_is_in_work(client: ReplicaClient) -> None:
    board = await board_with(0)
    async with sharers(client, board, (hold_and_cut,)) as (helper,):
        helper.sharing.helper.want(STEP)
        await until(helper.chunks)
        path = wants(0).path
        async with asyncio.timeout(5):
            while await board.news.in_work([path]) != {path}:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0)
        helper.release()
