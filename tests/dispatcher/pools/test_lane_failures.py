import asyncio

import pytest

from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.errors import (
    AttemptError,
    AttemptTimeoutError,
    InvalidResponseError,
    ItemRejectedError,
    NotSentError,
    ReplicaFailedError,
    ReplicaLostError,
)
from dispatcher.pools.health import FailureKind
from dispatcher.pools.parcel import Answer, Parcel
from step_app.contract.frames import BatchItem
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.pools.loaded_lane import IMPATIENT, Loaded, load, outcomes
from tests.dispatcher.scripted_replica import (
    Script,
    ScriptedReplica,
    item_reply,
    problem_reply,
    reply_with,
    serve,
)
from tests.dispatcher.waiting import until

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
