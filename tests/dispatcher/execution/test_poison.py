"""What an image may do that kills or silences every replica it comes to: end its own job."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import pytest
from aiohttp.web import StreamResponse

from dispatcher.jobs import Job, JobState
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.health import HealthPolicy
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.execution.belt import Belt, belt
from tests.dispatcher.records import make_job
from tests.dispatcher.scripted_replica import Request, Script, in_turn
from tests.dispatcher.waiting import until

POISON = "poison"
PATIENT = HealthPolicy(base_ejection_s=0.2, max_ejection_s=0.4)
SHORT = HealthPolicy(
    min_attempt_timeout_s=0.4, max_attempt_timeout_s=0.4, base_ejection_s=0.2, max_ejection_s=0.4
)


def poisoned(fate: Script, *, at_once: int = 1) -> Script:
    """Work on one request after the other, as a replica does; a batch with poison has its fate."""
    at_work = asyncio.Semaphore(at_once)

    async def script(request: Request) -> StreamResponse:
        async with at_work:
            await asyncio.sleep(0.005)
            is_poison = POISON in names_of(request)
            return await (fate if is_poison else scripted.answer)(request)

    return script


async def die(request: Request) -> StreamResponse:
    """Reset every connection, as a process does that is killed."""
    for other in request.replica.requests:
        if other.http.transport is not None:
            await scripted.reset(other)
    return await scripted.reset(request)


async def stay_silent(request: Request) -> StreamResponse:
    """Never answer, nor anything that comes later, until the client has gone."""
    await until(lambda: request.http.transport is None)
    return await scripted.answer(request)


def names_of(request: Request) -> list[str]:
    return [item.id for item in request.items]


def among_innocents(place: int) -> list[str]:
    """15 innocent names, and the poison at this place."""
    names = [f"innocent-{number}" for number in range(15)]
    return [*names[:place], POISON, *names[place:]]


async def run_all(line: Belt, names: Collection[str]) -> dict[str, Job]:
    """Run the jobs of these names, all at once."""
    jobs = []
    for name in names:
        digest = hashlib.sha256(name.encode()).hexdigest()
        await line.blobs.put(digest, name.encode())
        jobs.append(make_job(name, digest=digest).started(time.time()))
    executor = line.executor
    async with asyncio.timeout(20):
        ended = await asyncio.gather(*(executor.run(job) for job in jobs))
    return {job.id: job for job in ended}


@asynccontextmanager
async def probed(line: Belt) -> AsyncIterator[None]:
    """Let good probes come in all the while."""

    async def keep_ready() -> None:
        while True:
            line.make_ready()
            await asyncio.sleep(0.01)

    probing = asyncio.create_task(keep_ready())
    try:
        yield
    finally:
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)


def assert_poison_ends_alone(line: Belt, ended: dict[str, Job], *, code: str) -> None:
    """Say what must have become of the poison and of the 15 that were sent with it."""
    poison = ended.pop(POISON)
    assert poison.state is JobState.FAILED
    assert poison.error is not None
    assert (poison.error.code, poison.attempts) == (code, 3)
    assert len(ended) == 15
    for name, job in ended.items():
        assert job.state is JobState.COMPLETED
        assert job.result == {"predictions": [name], "echo": name}
        assert 1 <= job.attempts <= 2
    asked = [ids for replica in line.replicas["default/0"] for ids in replica.ids()]
    sizes = [len(ids) for ids in asked if POISON in ids]
    assert max(sizes) > 1, "it travelled with innocent ones"
    assert sizes.count(1) >= 2, "and alone later"


@pytest.mark.parametrize("fate", [scripted.reset, die], ids=["one", "all"])
@pytest.mark.parametrize("place", [0, 6, 15])
@pytest.mark.parametrize("replicas", [1, 2, 4])
async def test_an_image_that_resets_every_connection_fails_alone(
    client: ReplicaClient, replicas: int, place: int, fate: Script
) -> None:
    async with (
        belt(client, *(poisoned(fate) for _ in range(replicas)), policy=PATIENT) as line,
        probed(line),
    ):
        ended = await run_all(line, among_innocents(place))
        assert_poison_ends_alone(line, ended, code="poison")


@pytest.mark.parametrize("place", [0, 6, 15])
@pytest.mark.parametrize(
    ("fate", "at_once"),
    [(stay_silent, 1), (scripted.hang, 100)],
    ids=["nor what comes later", "its batch only"],
)
async def test_an_image_that_is_never_answered_fails_alone(
    client: ReplicaClient, place: int, fate: Script, at_once: int
) -> None:
    silent = [poisoned(fate, at_once=at_once) for _ in range(2)]
    async with (
        belt(client, *silent, policy=SHORT) as line,
        probed(line),
    ):
        ended = await run_all(line, among_innocents(place))
        assert_poison_ends_alone(line, ended, code="timeout")


@pytest.mark.parametrize("fault", [scripted.reset, scripted.vanish, scripted.hang])
async def test_what_was_on_the_road_when_a_replica_failed_travels_alone_from_then_on(
    client: ReplicaClient, fault: Script
) -> None:
    on_the_road: list[str] = []
    met: list[list[str]] = []

    async def note(request: Request) -> StreamResponse:
        on_the_road.extend(names_of(request))
        await asyncio.sleep(0.005)
        met.append(list(on_the_road))
        for name in names_of(request):
            on_the_road.remove(name)
        return await scripted.answer(request)

    names = ["a", "b", "c", "d"]
    async with belt(client, in_turn(fault, note), policy=SHORT) as line, probed(line):
        (replica,) = line.replicas["default/0"]
        ended = await run_all(line, names)
        assert {(job.state, job.attempts) for job in ended.values()} == {(JobState.COMPLETED, 2)}
        assert replica.ids()[0] == names
        assert sorted(replica.ids()[1:]) == [[name] for name in names]
        assert sorted(met) == [[name] for name in names], "nothing else was on the road with it"


async def test_what_a_replica_that_died_had_not_come_to_travels_with_others_as_before(
    client: ReplicaClient,
) -> None:
    async def die_at_first(request: Request) -> StreamResponse:
        if request.number < 2:
            await until(lambda: len(request.replica.requests) == 2)
            return await die(request)
        await asyncio.sleep(0.02)
        return await scripted.answer(request)

    async with belt(client, die_at_first, policy=PATIENT) as line:
        (replica,) = line.replicas["default/0"]
        running = asyncio.create_task(run_all(line, list("abcdefgh")))
        await until(lambda: not line.pools.replicas()[0].is_ready)
        pool = line.pools.get("default/0")
        await until(lambda: len(pool._waiting) == len("abcdefgh"))
        line.make_ready()
        ended = await running
        attempts = {name: job.attempts for name, job in ended.items()}
        assert attempts == dict.fromkeys("abcd", 2) | dict.fromkeys("efgh", 1)
        later = replica.ids()[2:]
        assert all(len(ids) == 1 for ids in later if set(ids) & set("abcd"))
        assert max(len(ids) for ids in later) > 1


@pytest.mark.parametrize(
    "fault",
    [
        scripted.hang,
        scripted.drip,
        scripted.break_down,
        scripted.break_off,
        scripted.swap_ids,
        scripted.say(b"garbage"),
    ],
    ids=["hang", "drip", "500", "break off", "wrong ids", "garbage"],
)
async def test_the_last_ready_replica_is_not_ejected_whatever_it_does(
    client: ReplicaClient, fault: Script
) -> None:
    policy = HealthPolicy(min_attempt_timeout_s=0.5, max_attempt_timeout_s=0.5)
    async with belt(client, in_turn(*[fault] * 9, scripted.answer), policy=policy) as line:
        (known,) = line.pools.replicas()
        for number in range(3):
            (job,) = (await run_all(line, [f"job-{number}"])).values()
            assert (job.state, job.attempts) == (JobState.FAILED, 3)
            assert known.is_ready, "and no probe came in meanwhile"
        assert known.consecutive_failures == 9
        (job,) = (await run_all(line, ["later"])).values()
        assert (job.state, job.attempts) == (JobState.COMPLETED, 1)
        assert (known.ejections, known.consecutive_failures) == (0, 0)


@pytest.mark.parametrize("fault", [scripted.hang, scripted.break_down])
async def test_of_two_bad_replicas_one_is_kept(client: ReplicaClient, fault: Script) -> None:
    policy = HealthPolicy(min_attempt_timeout_s=0.1, max_attempt_timeout_s=0.1)
    async with belt(client, fault, fault, policy=policy) as line:
        for number in range(4):
            (job,) = (await run_all(line, [f"job-{number}"])).values()
            assert job.state is JobState.FAILED
        assert sorted(replica.is_ready for replica in line.pools.replicas()) == [False, True]
