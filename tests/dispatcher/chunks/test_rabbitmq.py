"""Offers in a real RabbitMQ: what becomes of them when a dispatcher or a queue is gone."""

import asyncio
import contextlib
from dataclasses import replace

import msgspec
import pytest
from yarl import URL

from dispatcher.chunks.base import Offer
from dispatcher.chunks.rabbitmq import PREFIX
from dispatcher.errors import QueueUnavailableError
from tests.dispatcher.chunks.boards import Seen, Urls, shared_board
from tests.dispatcher.execution.sharing.sharers import STEP, wants
from tests.servers.proxy import TcpProxy
from tests.servers.rabbitmq import RabbitmqServer

QUEUE = f"{PREFIX}{STEP}"


async def take_soon(seen: Seen) -> Offer:
    """Take an offer as soon as the broker has one, and answers."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(QueueUnavailableError):
                offer = await seen.board.offers.take(STEP)
                if offer is not None:
                    return offer
            await asyncio.sleep(0.01)


async def delete_queue(seen: Seen) -> None:
    assert seen.broker is not None
    channel = await seen.broker.consuming.open_channel()
    await channel.queue_delete(QUEUE)
    await channel.close()


async def test_what_a_dispatcher_has_taken_is_offered_again_when_it_is_gone(
    board_urls: Urls,
) -> None:
    async with shared_board(board_urls) as first:
        async with shared_board(board_urls) as second:
            await first.board.offers.offer([wants(0), wants(1)])
            taken = [await second.board.offers.take(STEP), await second.board.offers.take(STEP)]
            assert None not in taken
            assert await first.board.offers.take(STEP) is None
        again = [await take_soon(first), await take_soon(first)]
        assert sorted(offer.request.index for offer in again) == [0, 1]


async def test_chunks_can_be_offered_after_their_queue_was_deleted(board_urls: Urls) -> None:
    async with shared_board(board_urls) as seen:
        await seen.board.offers.offer([wants(0)])
        await delete_queue(seen)
        await seen.board.offers.offer([wants(1), wants(2)])
        taken = {(await take_soon(seen)).request.index for _ in range(2)}
        assert taken == {1, 2}


async def test_chunks_can_be_taken_after_their_queue_was_deleted(board_urls: Urls) -> None:
    async with shared_board(board_urls) as first, shared_board(board_urls) as second:
        await first.board.offers.offer([wants(0)])
        assert await second.board.offers.take(STEP) is not None
        await delete_queue(first)
        await first.board.offers.offer([wants(1)])
        assert (await take_soon(second)).request.index == 1


@pytest.mark.parametrize(
    "body",
    [b"no JSON", b"{}", msgspec.json.encode(wants(0, schema=2))],
    ids=["junk", "empty", "new"],
)
async def test_an_offer_that_cannot_be_read_is_passed_over(board_urls: Urls, body: bytes) -> None:
    async with shared_board(board_urls) as seen:
        assert seen.broker is not None
        assert await seen.board.offers.take(STEP) is None, "the queue is there now"
        await seen.broker.publish(QUEUE, body, message_id="x")
        await seen.board.offers.offer([wants(1)])
        assert (await take_soon(seen)).request.index == 1
        assert await seen.board.offers.take(STEP) is None


async def test_a_broker_that_is_away_is_told_of_and_used_again_when_it_is_back(
    board_urls: Urls, rabbitmq: RabbitmqServer
) -> None:
    with TcpProxy(rabbitmq.port) as network:
        there = URL(board_urls.rabbitmq).with_port(network.port)
        async with shared_board(replace(board_urls, rabbitmq=str(there))) as seen:
            offers = seen.board.offers
            await offers.offer([wants(0)])
            taken = await take_soon(seen)
            network.refuse()
            with pytest.raises(QueueUnavailableError):
                await offers.offer([wants(1)])
            with pytest.raises(QueueUnavailableError):
                await offers.take(STEP)
            await offers.settle(taken)
            await offers.give_back(taken)
            network.heal()
            again = await take_soon(seen)
            assert again.request.index == 0, "what could not be settled is offered again"
