import asyncio
import random
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp.web import StreamResponse

from dispatcher.errors import (
    AttemptError,
    AttemptTimeoutError,
    InvalidResponseError,
    ItemRejectedError,
    NotSentError,
    ReplicaFailedError,
    ReplicaLostError,
)
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.health import FailureKind, HealthPolicy
from dispatcher.pools.lane import Lane
from dispatcher.pools.parcel import Answer, Parcel
from dispatcher.pools.replica import Replica, ReplicaState
from step_app.contract import BatchItem
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.scripted_replica import (
    Script,
    ScriptedReplica,
    item_reply,
    problem_reply,
    reply_with,
    serve,
)
from tests.dispatcher.waiting import turns, until

IMPATIENT = HealthPolicy(min_attempt_timeout_s=0.1, max_attempt_timeout_s=0.1)


class Loaded:
    """A lane to a scripted replica, and what it reports upwards."""

    def __init__(self, lane: Lane, server: ScriptedReplica) -> None:
        self.lane = lane
        self.server = server
        self.failures: list[FailureKind] = []
        self.rooms = 0

    @property
    def replica(self) -> Replica:
        return self.lane.replica

    def add(self, *names: str) -> list["asyncio.Future[Answer]"]:
        """Add parcels in one turn of the event loop; a name in capitals travels alone."""
        parcels = [
            Parcel(
                BatchItem(id=name, filename="a.png", image=name.encode()),
                asyncio.get_running_loop().create_future(),
                alone=name.isupper(),
            )
            for name in names
        ]
        for parcel in parcels:
            self.lane.add(parcel)
        return [parcel.answer for parcel in parcels]


@pytest.fixture
async def loaded(client: ReplicaClient) -> AsyncIterator[Loaded]:
    async with serve() as server:
        found = load(server, client=client)
        yield found
        await found.lane.close()


def load(
    server: ScriptedReplica, *, client: ReplicaClient, policy: HealthPolicy | None = None
) -> Loaded:
    replica = Replica(url=server.url, step="default/0", state=ReplicaState.READY, max_batch_size=4)
    found: Loaded

    def note_room() -> None:
        found.rooms += 1

    lane = Lane(
        replica,
        client=client,
        policy=policy or HealthPolicy(),
        on_room=note_room,
        on_failure=lambda _, kind: found.failures.append(kind),
    )
    found = Loaded(lane, server)
    return found


async def outcomes(
    answers: Sequence["asyncio.Future[Answer]"],
) -> list[Answer | BaseException]:
    async with asyncio.timeout(5):
        return await asyncio.gather(*answers, return_exceptions=True)


# Travelling


async def test_each_parcel_gets_its_own_answer(loaded: Loaded) -> None:
    answers = await asyncio.gather(*loaded.add("a", "b", "c"))
    assert [answer.result["echo"] for answer in answers] == ["a", "b", "c"]
    assert {answer.replica_url for answer in answers} == {loaded.server.url}
    assert {(answer.revision, answer.duration_s) for answer in answers} == {("r1", 0.001)}


async def test_what_is_added_in_one_turn_travels_together(loaded: Loaded) -> None:
    await asyncio.gather(*loaded.add("a", "b", "c"))
    assert loaded.server.ids() == [["a", "b", "c"]]


async def test_no_request_carries_more_than_the_replica_takes(loaded: Loaded) -> None:
    await asyncio.gather(*loaded.add(*"abcdefghij"))
    assert [len(ids) for ids in loaded.server.ids()] == [4, 4, 2]


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
    assert (await other).result["echo"] == "b"
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
    assert [answer.result["echo"] for answer in answers] == names
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


# One bad thing stays one


async def test_a_rejected_item_spoils_no_other_and_is_no_fault_of_the_replica(
    loaded: Loaded,
) -> None:
    loaded.server.script = reply_with(
        lambda i: problem_reply(i, 422, "image_corrupt") if i.id == "b" else item_reply(i)
    )
    a, b, c = await outcomes(loaded.add("a", "b", "c"))
    assert isinstance(a, Answer)
    assert isinstance(c, Answer)
    assert isinstance(b, ItemRejectedError)
    assert b.item_code == "image_corrupt"
    assert loaded.failures == []
    assert loaded.replica.consecutive_failures == 0


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"scores": [NaN]}', InvalidResponseError),
        (b'{"scores": [1e999]}', InvalidResponseError),
        (b"garbage", InvalidResponseError),
        (b"", InvalidResponseError),
    ],
)
async def test_a_bad_answer_for_one_item_spoils_no_other(
    loaded: Loaded, body: bytes, kind: type[AttemptError]
) -> None:
    loaded.server.script = reply_with(
        lambda i: item_reply(i, body=body) if i.id == "b" else item_reply(i)
    )
    a, b, c = await outcomes(loaded.add("a", "b", "c"))
    assert isinstance(a, Answer)
    assert isinstance(c, Answer)
    assert isinstance(b, kind)
    assert b.replica_url == loaded.server.url
    assert loaded.failures == []
    assert (loaded.replica.errors, loaded.replica.served, loaded.replica.ongoing) == (1, 2, 0)


async def test_a_step_that_breaks_on_one_item_of_several_is_not_at_fault(loaded: Loaded) -> None:
    loaded.server.script = reply_with(
        lambda i: problem_reply(i, 500, "step_failed") if i.id == "b" else item_reply(i)
    )
    a, b = await outcomes(loaded.add("a", "b"))
    assert isinstance(a, Answer)
    assert isinstance(b, ReplicaFailedError)
    assert loaded.failures == []
    assert loaded.replica.consecutive_failures == 0


async def test_a_step_that_breaks_on_every_item_is_at_fault(loaded: Loaded) -> None:
    loaded.server.script = reply_with(lambda i: problem_reply(i, 500, "step_failed"))
    failed = await outcomes(loaded.add("a", "b"))
    assert [type(one) for one in failed] == [ReplicaFailedError] * 2
    assert loaded.failures == [FailureKind.WRONG]


# Failing


@pytest.mark.parametrize(
    ("script", "error", "kind"),
    [
        (scripted.break_down, ReplicaFailedError, FailureKind.WRONG),
        (scripted.swap_ids, InvalidResponseError, FailureKind.WRONG),
        (scripted.say(b"garbage"), InvalidResponseError, FailureKind.WRONG),
        (scripted.reset, ReplicaLostError, FailureKind.GONE),
        (scripted.vanish, ReplicaLostError, FailureKind.GONE),
        (scripted.hang, AttemptTimeoutError, FailureKind.SILENT),
        (scripted.drip, AttemptTimeoutError, FailureKind.SILENT),
    ],
    ids=["500", "wrong ids", "garbage", "reset", "vanish", "hang", "drip"],
)
async def test_a_failed_request_fails_each_of_its_parcels(
    client: ReplicaClient, script: Script, error: type[AttemptError], kind: FailureKind
) -> None:
    async with serve(script) as server:
        loaded = load(server, client=client, policy=IMPATIENT)
        failed = await outcomes(loaded.add("a", "b", "c"))
        await until(lambda: loaded.rooms)
        assert [type(one) for one in failed] == [error] * 3
        assert len({id(one) for one in failed}) == 3, "each waits for an error of its own"
        assert {getattr(one, "replica_url", None) for one in failed} == {server.url}
        assert loaded.failures == [kind]
        assert (loaded.replica.errors, loaded.replica.consecutive_failures) == (3, 1)
        assert loaded.replica.ongoing == 0


async def test_a_refused_connection_costs_no_attempt(client: ReplicaClient) -> None:
    server = ScriptedReplica(scripted.answer, url=scripted.closed_url())
    loaded = load(server, client=client)
    failed = await outcomes(loaded.add("a", "b"))
    assert [type(one) for one in failed] == [NotSentError] * 2
    assert loaded.failures == [FailureKind.GONE]


@pytest.mark.parametrize("is_second_first", [True, False])
async def test_a_replica_that_dies_had_worked_on_the_oldest_request_alone(
    loaded: Loaded, is_second_first: bool
) -> None:
    loaded.server.script = scripted.hold
    first = loaded.add("a")
    await until(lambda: len(loaded.server.requests) == 1)
    second = loaded.add("b")
    await until(lambda: len(loaded.server.requests) == 2)
    order = [1, 0] if is_second_first else [0, 1]
    for number in order:
        transport = loaded.server.requests[number].http.transport
        assert transport is not None
        transport.abort()
        await asyncio.wait([first[0] if number == 0 else second[0]], timeout=5)
    assert isinstance((await outcomes(first))[0], ReplicaLostError)
    expected = NotSentError if is_second_first else ReplicaLostError
    assert isinstance((await outcomes(second))[0], expected)


async def test_a_request_that_breaks_through_our_own_fault_gives_its_items_back(
    loaded: Loaded, caplog: pytest.LogCaptureFixture
) -> None:
    answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    loaded.lane.add(Parcel(BatchItem("a", "a", b"a", params={"x": float("nan")}), answer))
    assert isinstance((await outcomes([answer]))[0], ReplicaFailedError)
    assert "broke" in caplog.text
    assert isinstance((await outcomes(loaded.add("b")))[0], Answer)


async def test_the_lane_goes_on_after_a_failure(loaded: Loaded) -> None:
    loaded.server.script = scripted.in_turn(scripted.break_down, scripted.reset, scripted.answer)
    for _ in range(2):
        await outcomes(loaded.add("a"))
    assert isinstance((await outcomes(loaded.add("b")))[0], Answer)
    assert loaded.replica.consecutive_failures == 0


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
