"""What nobody waits for any more: it makes room at once, and no replica is blamed for it."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp.web import StreamResponse

from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.health import HealthPolicy
from dispatcher.pools.parcel import Answer
from dispatcher.pools.pool import Pool
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.pools.pooling import ask, make_ready, servers
from tests.dispatcher.scripted_replica import Request, ScriptedReplica, echo_of
from tests.dispatcher.waiting import turns, until


class Floor:
    """A pool of one scripted replica, and the work that was asked of it."""

    def __init__(self, pool: Pool, server: ScriptedReplica) -> None:
        self.pool = pool
        self.server = server
        self.asking: dict[str, asyncio.Task[Answer]] = {}
        self.broken_off = 0
        """Requests whose connection was closed before they were answered."""
        server.script = self._hold

    async def _hold(self, request: Request) -> StreamResponse:
        try:
            return await scripted.hold(request)
        except asyncio.CancelledError:
            self.broken_off += 1
            raise

    def ask(self, *names: str) -> None:
        for name in names:
            self.asking[name] = asyncio.create_task(ask(self.pool, name))

    def give_up(self, *names: str) -> None:
        for name in names:
            self.asking.pop(name).cancel()

    @property
    def ongoing(self) -> int:
        return self.pool.replicas[0].ongoing

    def told(self) -> list[list[str]]:
        return [json.loads(body)["ids"] for body in self.server.cancellations]


@pytest.fixture
async def floor(client: ReplicaClient) -> AsyncIterator[Floor]:
    async with AsyncExitStack() as stack:
        (server,) = await servers(stack, scripted.hold)
        pool = Pool("default/0", client=client, policy=HealthPolicy(), on_room=lambda: None)
        stack.push_async_callback(pool.close)
        pool.set_replicas([server.url])
        make_ready(pool)
        found = Floor(pool, server)
        yield found
        for task in found.asking.values():
            task.cancel()
        await asyncio.gather(*found.asking.values(), return_exceptions=True)


async def test_a_request_of_which_nothing_is_wanted_is_broken_off(floor: Floor) -> None:
    floor.ask("a", "b")
    await until(lambda: floor.server.requests)
    floor.give_up("a", "b")
    await until(lambda: floor.broken_off)
    assert floor.ongoing == 0
    assert floor.told() == [], "the closed connection says it all"


async def test_the_place_of_what_was_taken_back_is_free_at_once(floor: Floor) -> None:
    floor.ask(*"abcdefgh")
    await until(lambda: len(floor.server.requests) == 2)
    floor.ask("later")
    await turns(5)
    assert len(floor.server.requests) == 2, "there is no room for it"
    floor.give_up(*"abcd")
    await until(lambda: len(floor.server.requests) == 3, within_s=0.2)
    assert floor.server.ids()[2] == ["later"]


async def test_of_a_request_that_others_wait_for_the_replica_is_told_what_is_not_wanted(
    floor: Floor,
) -> None:
    floor.ask(*"abcd")
    await until(lambda: floor.server.requests)
    floor.give_up("a", "c")
    await until(floor.told)
    assert floor.told() == [["a", "c"]], "both in one call"
    assert floor.ongoing == 2, "and room for two more"
    floor.server.released.set()
    assert [echo_of(await floor.asking[name]) for name in "bd"] == ["b", "d"]
    assert (floor.ongoing, floor.broken_off) == (0, 0)


async def test_the_last_who_gives_up_ends_the_request_for_all(floor: Floor) -> None:
    floor.ask("a", "b")
    await until(lambda: floor.server.requests)
    floor.give_up("a")
    await until(floor.told)
    floor.give_up("b")
    await until(lambda: floor.broken_off)
    assert floor.ongoing == 0


async def test_what_waits_for_its_turn_never_travels_once_it_is_given_up(floor: Floor) -> None:
    floor.ask(*"abcdefgh", "ninth")
    await until(lambda: len(floor.server.requests) == 2)
    floor.give_up("ninth")
    await turns(5)
    floor.server.released.set()
    await asyncio.gather(*floor.asking.values())
    assert "ninth" not in [name for ids in floor.server.ids() for name in ids]


async def test_no_replica_is_blamed_for_what_we_broke_off(floor: Floor) -> None:
    replica = floor.pool.replicas[0]
    for round_of in range(10):
        floor.ask(f"{round_of}-a", f"{round_of}-b")
        await until(lambda: len(floor.server.requests) > floor.broken_off)
        floor.give_up(f"{round_of}-a", f"{round_of}-b")
        await until(lambda: len(floor.server.requests) == floor.broken_off)
    assert (replica.errors, replica.consecutive_failures, replica.served) == (0, 0, 0)
    assert replica.is_ready
    floor.server.script = scripted.answer
    assert echo_of(await ask(floor.pool, "later")) == "later"


async def test_an_answer_to_what_is_not_wanted_counts_for_nothing(floor: Floor) -> None:
    floor.ask("a", "b")
    await until(lambda: floor.server.requests)
    floor.give_up("a")
    floor.server.released.set()
    assert echo_of(await floor.asking["b"]) == "b"
    replica = floor.pool.replicas[0]
    assert (replica.served, replica.errors, floor.ongoing) == (1, 0, 0)


async def test_a_replica_that_knows_no_cancelling_serves_the_others_all_the_same(
    floor: Floor,
) -> None:
    floor.server.knows_cancelling = False
    floor.ask("a", "b")
    await until(lambda: floor.server.requests)
    floor.give_up("a")
    await turns(20)
    floor.server.released.set()
    assert echo_of(await floor.asking["b"]) == "b"
    assert floor.pool.replicas[0].is_ready


@pytest.mark.parametrize("seed", range(3))
async def test_the_count_of_items_on_hand_is_right_whoever_gives_up_when(
    floor: Floor, seed: int
) -> None:
    dice = random.Random(seed)

    async def answer_soon(request: Request) -> StreamResponse:
        await asyncio.sleep(dice.random() * 0.003)
        return await scripted.answer(request)

    floor.server.script = answer_soon
    for number in range(150):
        floor.ask(str(number))
        if dice.random() < 0.4:
            floor.give_up(dice.choice(list(floor.asking)))
        await turns(dice.randrange(8))
    outcomes = await asyncio.gather(*floor.asking.values())
    assert [echo_of(answer) for answer in outcomes] == list(floor.asking)
    await until(lambda: floor.ongoing == 0)
    assert floor.pool.replicas[0].errors == 0
