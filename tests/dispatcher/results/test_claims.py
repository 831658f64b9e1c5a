"""Idempotency-Keys of several dispatchers: however often a request is repeated, it is one job."""

import asyncio
import time

import pytest

from dispatcher.errors import (
    IdempotencyKeyReusedError,
    OverloadedError,
    ResultsUnavailableError,
)
from dispatcher.intake.idempotency import Repeats
from dispatcher.jobs import Idempotency, Job
from dispatcher.results.base import KeyTakenError
from dispatcher.results.claims import Claim
from dispatcher.results.redis import RedisResultStore
from tests.dispatcher.records import completed, make_job
from tests.dispatcher.results.ending import KEY_RETENTION_S, RETENTION_S
from tests.dispatcher.results.sharing import Sharing
from tests.servers.redis import RedisServer

LONG_S = 1000.0
ASKED = Idempotency("key", "what was asked")


class Dispatcher:
    """As much of one as accepts requests with a key."""

    def __init__(self, store: RedisResultStore, name: str) -> None:
        self.store = store
        self.refused: Exception | None = None
        self.may_accept = asyncio.Event()
        self.may_accept.set()
        self.added = asyncio.Event()
        self._repeats = Repeats(store)
        self._name = name
        self._count = 0

    async def submit(self, asked: Idempotency = ASKED) -> Job:
        """Accept a request, or return the job of the one that it repeats."""
        return await self._repeats.accept_once("ann", asked, lambda: self._accept(asked))

    async def _accept(self, asked: Idempotency) -> Job:
        self._count += 1
        job = make_job(f"{self._name}-{self._count}", tenant="ann", idempotency=asked)
        try:
            await self.store.add(job)
            self.added.set()
            await self.may_accept.wait()
            if self.refused is not None:
                raise self.refused
        except BaseException:
            await self.store.discard(job.id)
            raise
        return job


async def two(
    sharing: Sharing, *, retention_s: float = RETENTION_S
) -> tuple[Dispatcher, Dispatcher]:
    here, there = [await sharing.open(retention_s=retention_s) for _ in range(2)]
    return Dispatcher(here, "here"), Dispatcher(there, "there")


async def open_ids(store: RedisResultStore) -> list[str]:
    return [job_id async for job_id in store.open_ids(older_than_s=-60)]


async def test_a_hundred_at_the_same_time_at_two_dispatchers_get_one_job(sharing: Sharing) -> None:
    here, there = await two(sharing)
    jobs = await asyncio.gather(*(each.submit() for _ in range(50) for each in (here, there)))
    assert len({job.id for job in jobs}) == 1
    assert await open_ids(here.store) == [jobs[0].id], "of what lost nothing is left"
    assert await there.submit() == jobs[0]


async def test_a_hundred_get_one_job_also_without_redis(
    own_redis: RedisServer, s3_url: str
) -> None:
    async with Sharing(own_redis.url(), s3_url) as sharing:
        here, there = await two(sharing)
        await asyncio.to_thread(own_redis.kill)
        jobs = await asyncio.gather(*(each.submit() for _ in range(50) for each in (here, there)))
        assert len({job.id for job in jobs}) == 1
        assert await there.submit() == jobs[0]


async def test_another_request_under_the_key_is_refused_everywhere(sharing: Sharing) -> None:
    here, there = await two(sharing)
    await here.submit()
    with pytest.raises(IdempotencyKeyReusedError):
        await there.submit(Idempotency("key", "something else"))
    other = Idempotency("other", "a")
    outcomes = await asyncio.gather(
        here.submit(other), there.submit(Idempotency("other", "b")), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "IdempotencyKeyReusedError",
        "Job",
    ]


async def test_one_that_is_still_being_accepted_is_waited_for(sharing: Sharing) -> None:
    here, there = await two(sharing)
    here.may_accept.clear()
    first = asyncio.create_task(here.submit())
    await here.added.wait()
    second = asyncio.create_task(there.submit())
    done, _ = await asyncio.wait([second], timeout=0.3)
    assert not done, "it may still be refused, and then nobody has been promised anything"
    here.may_accept.set()
    assert await first == await second


async def test_when_it_is_refused_after_all_the_other_one_has_the_key(sharing: Sharing) -> None:
    here, there = await two(sharing)
    here.may_accept.clear()
    here.refused = OverloadedError()
    first = asyncio.create_task(here.submit())
    await here.added.wait()
    second = asyncio.create_task(there.submit())
    await asyncio.wait([second], timeout=0.1)
    here.may_accept.set()
    with pytest.raises(OverloadedError):
        await first
    job = await second
    assert job.id.startswith("there")
    here.refused = None
    assert await here.submit() == job


async def test_who_repeats_too_early_comes_back_later(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a dispatcher has died between recording a job and queueing it."""
    monkeypatch.setattr("dispatcher.results.claims._WAIT_S", 0.2)
    here, there = await two(sharing)
    left = make_job("left", tenant="ann", idempotency=ASKED)
    await here.store.add(left)
    with pytest.raises(ResultsUnavailableError) as refused:
        await there.submit()
    assert refused.value.retry_after_s
    await here.store.save(left.started(time.time()))  # it was found and queued
    assert (await there.submit()).id == "left"


async def test_what_was_promised_because_it_was_begun_is_not_forgotten(sharing: Sharing) -> None:
    """Its own dispatcher gives up waiting for the broker just when a worker has begun it."""
    here, there = await two(sharing)
    job = make_job("begun", tenant="ann", idempotency=ASKED)
    await here.store.add(job)
    await there.store.save(job.started(time.time()))
    assert (await there.submit()).id == "begun"
    await here.store.discard("begun")
    assert (await there.store.get("begun")).id == "begun"
    assert await open_ids(there.store) == ["begun"], "so it is queued again"


async def test_what_was_refused_is_promised_to_nobody_although_it_was_begun(
    sharing: Sharing,
) -> None:
    here, there = await two(sharing)
    job = make_job("begun", tenant="ann", idempotency=ASKED)
    await here.store.add(job)
    await there.store.save(job.started(time.time()))
    repeats = [asyncio.create_task(there.submit()) for _ in range(10)]
    await here.store.discard("begun")
    promised = {(await repeat).id for repeat in repeats}
    assert len(promised) == 1
    assert (await there.store.get(promised.pop())).tenant == "ann", "whichever it is, it is there"


async def test_after_a_while_what_is_recorded_is_accepted(sharing: Sharing) -> None:
    here, there = await two(sharing)
    left = make_job("left", tenant="ann", idempotency=ASKED, queued_at=time.time() - 61)
    await here.store.add(left)
    assert (await there.submit()).id == "left"
    await here.store.discard("left")
    assert (await there.submit()).id == "left", "somebody may have been promised it"


async def test_what_was_recorded_and_never_had_its_key_is_not_run(sharing: Sharing) -> None:
    """As when a dispatcher has died just when it had lost the race for the key."""
    here, there = await two(sharing)
    job = await here.submit()
    objects = await sharing.objects()
    lost = await objects.get(f"open/{job.id}")
    await objects.put("open/lost", lost.replace(job.id.encode(), b"lost"))
    assert await there.store.open_job("lost") is None
    assert await open_ids(there.store) == [job.id]
    assert (await there.store.open_job(job.id) or job).id == job.id


async def test_of_two_hits_one_has_the_key_and_of_the_other_nothing_is_left(
    sharing: Sharing,
) -> None:
    here, there = await two(sharing)
    url = "https://hooks.example.com/"
    hits = [
        make_job(name, idempotency=ASKED, webhook_url=url).served_from_cache({}, (), "r1")
        for name in ("a", "b")
    ]
    outcomes = await asyncio.gather(
        here.store.add(hits[0]), there.store.add(hits[1]), return_exceptions=True
    )
    lost = next(n for n, outcome in enumerate(outcomes) if isinstance(outcome, KeyTakenError))
    assert outcomes[1 - lost] is None
    objects = await sharing.objects()
    for folder in ("ended", "deliveries"):
        left = [info.path async for info in objects.list(folder)]
        assert left == [f"{folder}/{hits[1 - lost].id}"]


@pytest.mark.parametrize("seconds", [-0.001, 0.001])
async def test_a_key_is_taken_across_the_boundary_of_two_periods(
    sharing: Sharing, seconds: float
) -> None:
    here, there = await two(sharing)
    boundary = time.time() // KEY_RETENTION_S * KEY_RETENTION_S
    jobs = [
        make_job(name, idempotency=ASKED, queued_at=boundary + moment, coalesced=True)
        for name, moment in (("a", seconds), ("b", -seconds))
    ]
    await here.store.add(jobs[0])
    with pytest.raises(KeyTakenError):
        await there.store.add(jobs[1])
    assert await there.store.find_by_key("", "key") in (None, (ASKED.fingerprint, "a"))


async def test_a_key_survives_redis(sharing: Sharing) -> None:
    here, there = await two(sharing)
    job = await here.submit()
    ended = completed(job)
    await here.store.save(ended)
    sharing.forget()
    assert await there.submit() == ended


async def stray(sharing: Sharing, *, age_s: float) -> None:
    """Leave a claim without a job, as a store does that carries out a put far too late."""
    lost = await sharing.open()
    await lost._claims.claim(
        make_job("never", tenant="ann", idempotency=ASKED, queued_at=time.time() - age_s)
    )


async def test_a_key_whose_job_never_was_is_given_to_the_next_one(sharing: Sharing) -> None:
    here, there = await two(sharing, retention_s=LONG_S)
    await stray(sharing, age_s=61)  # before, its job may still be on its way
    job = await there.submit()
    assert job.id.startswith("there")
    assert await here.submit() == job


async def test_it_is_given_back_by_one_dispatcher_at_a_time(sharing: Sharing) -> None:
    """Another one might remove the claim that has just been made in its place."""

    async def never(duty: str, *, for_s: float) -> bool:
        return False

    here = Dispatcher(await sharing.open(try_lead=never, retention_s=LONG_S), "here")
    await stray(sharing, age_s=61)
    with pytest.raises(ResultsUnavailableError) as refused:
        await here.submit()
    assert refused.value.retry_after_s


async def test_a_job_that_was_dropped_keeps_its_key(sharing: Sharing) -> None:
    here, there = await two(sharing)
    job = await here.submit()
    await here.store.save(completed(job))
    await here.store.drop([job.id])
    assert (await there.submit()).id == job.id


@pytest.mark.parametrize("is_hit", [False, True])
async def test_a_claim_that_goes_before_it_is_read_is_made_again(
    sharing: Sharing, is_hit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when it was that of a request that was refused in between."""
    store = await sharing.open()
    await store._claims.claim(make_job("refused", tenant="ann", idempotency=ASKED))
    read = store._claims._read

    async def read_too_late(path: str) -> Claim | None:
        await store._objects.remove(path)
        return await read(path)

    monkeypatch.setattr(store._claims, "_read", read_too_late)
    job = make_job("a", tenant="ann", idempotency=ASKED)
    await store.add(job.served_from_cache({}, (), "r1") if is_hit else job)
    claimed = [info.path async for info in store._objects.list("keys")]
    assert len(claimed) == 1
    assert b'"a"' in await store._objects.get(claimed[0])


@pytest.mark.parametrize("is_hit", [False, True])
async def test_without_a_claim_nothing_is_accepted(
    sharing: Sharing, is_hit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await sharing.open()
    await store._claims.claim(make_job("refused", tenant="ann", idempotency=ASKED))

    async def nothing(path: str) -> None:
        return None

    monkeypatch.setattr(store._claims, "_read", nothing)
    job = make_job("a", tenant="ann", idempotency=ASKED)
    job = job.served_from_cache({}, (), "r1") if is_hit else job
    with pytest.raises(ResultsUnavailableError) as refused:
        await store.add(job)
    assert refused.value.retry_after_s
    assert [info.path async for info in store._objects.list("ended")] == []
