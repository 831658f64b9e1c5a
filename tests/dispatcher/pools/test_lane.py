import asyncio
import random

import pytest
from aiohttp.web import StreamResponse

from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.errors import AttemptError, NotSentError, ReplicaLostError
from dispatcher.pools.parcel import Answer
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.pools.loaded_lane import IMPATIENT, Loaded, load, outcomes
from tests.dispatcher.scripted_replica import (
    Script,
    echo_of,
    serve,
)
from tests.dispatcher.waiting import turns, until

# Travelling


async def test_each_parcel_gets_its_own_answer(loaded: Loaded) -> None:
    answers = await asyncio.gather(*loaded.add("a", "b", "c"))
    assert [echo_of(answer) for answer in answers] == ["a", "b", "c"]
    assert {answer.replica_url for answer in answers} == {loaded.server.url}
    assert {(answer.revision, answer.duration_s) for answer in answers} == {("r1", 0.001)}


async def test_what_is_added_in_one_turn_travels_together(loaded: Loaded) -> None:
    await asyncio.gather(*loaded.add("a", "b", "c"))
    assert loaded.server.ids() == [["a", "b", "c"]]


async def test_no_request_carries_more_than_the_replica_takes(loaded: Loaded) -> None:
    await asyncio.gather(*loaded.add(*"abcdefghij"))
    assert [len(ids) for ids in loaded.server.ids()] == [4, 4, 2]


async def test_no_request_becomes_more_pixels_than_a_replica_should_hold(loaded: Loaded) -> None:
    await asyncio.gather(*loaded.add(*"abcd", weight_bytes=30 * 2**20))
    assert loaded.server.ids() == [["a", "b"], ["c", "d"]]


async def test_a_picture_that_becomes_very_large_travels_alone(loaded: Loaded) -> None:
    answers = loaded.add("a") + loaded.add("b", weight_bytes=2**30) + loaded.add("c")
    await asyncio.gather(*answers)
    assert loaded.server.ids() == [["a"], ["b"], ["c"]]


async def test_what_arrives_while_two_requests_are_on_the_road_travels_in_the_next(
    loaded: Loaded,
) -> None:
    loaded.server.script = scripted.hold
    answers = []
    for name in "abcdef":
        answers += loaded.add(name)
        await turns(3)
    await until(lambda: len(loaded.server.requests) == 2)
    await turns(20)
    assert sorted(loaded.server.ids()) == [["a"], ["b"]]
    assert loaded.replica.ongoing == 6
    loaded.server.released.set()
    await asyncio.gather(*answers)
    assert sorted(loaded.server.ids()) == [["a"], ["b"], ["c", "d", "e", "f"]]


async def test_what_nobody_waits_for_any_more_is_not_sent(loaded: Loaded) -> None:
    _, given_up, _ = answers = loaded.add("a", "b", "c")
    given_up.cancel()
    await outcomes(answers)
    assert loaded.server.ids() == [["a", "c"]]
    assert loaded.replica.ongoing == 0


async def test_room_is_announced_when_nothing_of_a_batch_is_wanted_any_more(
    loaded: Loaded,
) -> None:
    for answer in loaded.add("a", "b"):
        answer.cancel()
    await until(lambda: loaded.replica.ongoing == 0)
    assert loaded.rooms > 0
    assert loaded.server.requests == []


async def test_one_who_gives_up_while_it_is_on_the_road_disturbs_no_other(loaded: Loaded) -> None:
    loaded.server.script = scripted.hold
    given_up, other = loaded.add("a", "b")
    await until(lambda: loaded.server.requests)
    given_up.cancel()
    loaded.server.released.set()
    assert echo_of(await other) == "b"
    assert loaded.replica.ongoing == 0


async def test_answers_are_counted_and_room_is_announced(loaded: Loaded) -> None:
    answers = loaded.add("a", "b", "c")
    assert loaded.replica.ongoing == 3
    await asyncio.gather(*answers)
    await until(lambda: loaded.rooms)
    assert (loaded.replica.ongoing, loaded.replica.served, loaded.replica.errors) == (0, 3, 0)
    assert loaded.replica.ewma_latency_s is not None
    assert loaded.failures == []


# Travelling alone


async def test_an_item_that_may_be_the_reason_of_a_fault_travels_alone(loaded: Loaded) -> None:
    on_the_road: list[list[str]] = []
    met: list[list[list[str]]] = []

    async def note(request: scripted.Request) -> StreamResponse:
        on_the_road.append([item.id for item in request.items])
        await asyncio.sleep(0.01)
        met.append(list(on_the_road))
        on_the_road.remove([item.id for item in request.items])
        return await scripted.answer(request)

    loaded.server.script = note
    names = ["a", "b", "SUSPECT", "c", "d", "OTHER"]
    answers = await asyncio.gather(*loaded.add(*names))
    assert [echo_of(answer) for answer in answers] == names
    assert loaded.server.ids() == [["a", "b"], ["SUSPECT"], ["c", "d"], ["OTHER"]]
    assert met == [[["a", "b"]], [["SUSPECT"]], [["c", "d"]], [["OTHER"]]]


async def test_an_item_that_travels_alone_does_what_it_does_to_itself(loaded: Loaded) -> None:
    async def poison(request: scripted.Request) -> StreamResponse:
        is_poison = request.items[0].id == "SUSPECT"
        return await (scripted.reset if is_poison else scripted.answer)(request)

    loaded.server.script = poison
    first, suspect, second = await outcomes(loaded.add("a", "SUSPECT", "b"))
    assert isinstance(first, Answer)
    assert isinstance(suspect, ReplicaLostError)
    assert isinstance(second, Answer)


@pytest.mark.parametrize(("size", "together"), [(1, 4), (4, 2), (5, 2), (6, 1), (100, 1)])
async def test_no_request_carries_more_bytes_than_it_may(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, size: int, together: int
) -> None:
    monkeypatch.setattr("dispatcher.pools.lane._MAX_REQUEST_BYTES", 10)
    names = [letter * size for letter in "abcd"]
    await asyncio.gather(*loaded.add(*names))
    assert [len(ids) for ids in loaded.server.ids()] == [together] * (4 // together)


# Giving back


async def test_giving_back_costs_an_attempt_only_for_what_was_worked_on(loaded: Loaded) -> None:
    loaded.server.script = scripted.hold
    sent = loaded.add(*"abcdefgh")
    await until(lambda: len(loaded.server.requests) == 2)
    waiting = loaded.add("i", "j")
    loaded.lane.fail_all()
    assert [type(one) for one in await outcomes(sent)] == [ReplicaLostError] * 4 + [
        NotSentError
    ] * 4
    assert {type(one) for one in await outcomes(waiting)} == {NotSentError}
    assert loaded.replica.ongoing == 0


@pytest.mark.parametrize("after", range(12))
async def test_whenever_it_is_given_back_every_parcel_comes_back(
    loaded: Loaded, after: int
) -> None:
    loaded.server.script = scripted.hold
    answers = loaded.add(*"abcdefghij")
    await turns(after)
    loaded.lane.fail_all()
    assert all(isinstance(one, AttemptError) for one in await outcomes(answers))
    assert loaded.replica.ongoing == 0
    loaded.server.script = scripted.answer
    assert isinstance((await outcomes(loaded.add("later")))[0], Answer)
    assert loaded.replica.ongoing == 0


async def test_closing_waits_until_nothing_is_on_the_road(loaded: Loaded) -> None:
    loaded.server.script = scripted.hang
    answers = loaded.add("a")
    await until(lambda: loaded.server.requests)
    before = asyncio.all_tasks()
    async with asyncio.timeout(5):
        await loaded.lane.close()
    assert isinstance((await outcomes(answers))[0], ReplicaLostError)
    assert len(asyncio.all_tasks()) < len(before)


@pytest.mark.parametrize("seed", range(3))
async def test_the_count_of_ongoing_items_is_right_whatever_happens(
    client: ReplicaClient, seed: int
) -> None:
    dice = random.Random(seed)
    scripts: list[Script] = [scripted.answer] * 4
    scripts += [scripted.break_down, scripted.reset, scripted.swap_ids, scripted.hang]
    async with serve(scripted.in_turn(*(dice.choice(scripts) for _ in range(400)))) as server:
        loaded = load(server, client=client, policy=IMPATIENT)
        answers = []
        for number in range(60):
            added = loaded.add(*(f"{number}-{n}" for n in range(dice.randrange(6))))
            answers += added
            for answer in added:
                if dice.random() < 0.1:
                    answer.cancel()
            if dice.random() < 0.1:
                loaded.lane.fail_all()
            await turns(dice.randrange(6))
        for answer, outcome in zip(answers, await outcomes(answers), strict=True):
            assert isinstance(outcome, (Answer, AttemptError, asyncio.CancelledError))
            assert answer.done()
        await until(lambda: loaded.replica.ongoing == 0)
