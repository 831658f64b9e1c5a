"""What is known together may be lost, or was never true: it mends itself."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis import Redis

from dispatcher.errors import ResultsUnavailableError
from dispatcher.jobs import Priority
from dispatcher.queues.backlog import PREFIX, Backlog
from dispatcher.queues.places import Held, Standing, Taking
from tests.dispatcher.queues.backlogs import (
    LEASE_S,
    ME,
    OVER_S,
    age,
    lane,
    open_backlog,
    put,
    same,
    take,
)
from tests.dispatcher.records import make_job
from tests.servers.redis import RedisServer

MINUTE_S = 60.0


@pytest.fixture
async def backlog(redis_url: str) -> AsyncIterator[Backlog]:
    async with open_backlog(redis_url) as backlog:
        yield backlog


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


async def test_scripts_that_redis_has_forgotten_are_sent_again(
    backlog: Backlog, redis: Redis
) -> None:
    await put(backlog, make_job("1"))
    redis.script_flush()

    assert await put(backlog, make_job("2")) == [Standing.PUBLISH]
    assert (await lane(backlog)).waiting == 2


async def test_after_everything_was_flushed_it_is_as_if_new(backlog: Backlog, redis: Redis) -> None:
    waiting, working, held = (make_job(name, tenant="x", size_bytes=5) for name in "123")
    await put(backlog, waiting, working, held)
    await take(backlog, working)

    redis.flushdb()

    assert await backlog.known(["1", "2", "3"]) == set()
    assert not await backlog.give_back(working.id, owner=ME)
    assert await backlog.end(working.id, owner=ME) is None
    assert await backlog.unlink(working.id) == []
    assert (await backlog.withdraw("4")).successor is None
    found = await backlog.snapshot()
    assert (found.lanes, found.tenants) == ({}, {})


async def test_what_dispatchers_have_at_hand_is_there_again_at_their_next_sign_of_life(
    backlog: Backlog, redis: Redis
) -> None:
    working, held = make_job("1", tenant="x", size_bytes=5), make_job("2", tenant="x", size_bytes=7)
    await put(backlog, working, held)
    await take(backlog, working)
    redis.flushdb()

    await backlog.renew([Held(working, True), Held(held, False)], owner=ME, lease_s=LEASE_S)

    found = await lane(backlog)
    assert (found.waiting, found.working, found.size_bytes) == (1, 1, 7)
    assert await backlog.known(["1", "2"]) == {"1", "2"}
    assert (await take(backlog, held)).outcome is Taking.BEGUN


async def test_ending_what_was_flushed_lets_no_figure_go_below_zero(
    backlog: Backlog, redis: Redis
) -> None:
    old = [make_job(f"old {number}", tenant="x", size_bytes=10) for number in range(5)]
    await put(backlog, *old)
    redis.flushdb()
    new = make_job("new", tenant="x", size_bytes=3)
    await put(backlog, new)

    for job in old:
        await backlog.withdraw(job.id)
    for job in old:
        await take(backlog, job)
        await backlog.end(job.id, owner=ME)

    found = await backlog.snapshot()
    assert found.tenants == {"x": 1}
    assert (found.lanes["default"].waiting, found.lanes["default"].size_bytes) == (1, 3)


@pytest.mark.parametrize("gone", ["records", "totals", "queues", "waiting", "flights", "linked"])
async def test_whatever_single_key_is_evicted_figures_end_at_zero(
    backlog: Backlog, redis: Redis, gone: str
) -> None:
    jobs = [*same("1", "2", "3"), make_job("4", size_bytes=10, tenant="x")]
    await put(backlog, *jobs)
    redis.delete(*(name for name in redis.keys(f"{PREFIX}*{gone}*")))

    for job in jobs:
        await backlog.withdraw(job.id)

    found = await backlog.snapshot()
    assert (found.lanes, found.tenants) == ({}, {})
    assert (await backlog.add([make_job("5")])).depth == 1


async def test_a_place_whose_dispatcher_died_before_it_published_is_forgotten(
    backlog: Backlog, redis_url: str
) -> None:
    leader, follower = same("1", "2")
    await backlog.add([leader])
    assert await put(backlog, follower) == [Standing.UNSETTLED]

    age(redis_url, leader.id, by_s=MINUTE_S)

    assert await backlog.known([leader.id]) == set()
    assert await put(backlog, follower) == [Standing.PUBLISH], "it need not wait any longer"
    assert (await lane(backlog)).first_ids == (follower.id,)
    assert (await take(backlog, leader)).outcome is Taking.BEGUN, "its message came all the same"


async def test_a_confirmed_place_is_kept_however_long_it_waits(
    backlog: Backlog, redis_url: str
) -> None:
    job = make_job("1")
    await put(backlog, job)

    age(redis_url, job.id, by_s=1000 * MINUTE_S)

    assert await backlog.known([job.id]) == {job.id}
    assert (await lane(backlog)).waiting == 1


async def test_a_job_whose_worker_died_is_unknown_when_nobody_has_taken_it_for_a_while(
    backlog: Backlog, redis_url: str
) -> None:
    leader, linked = same("1", "2")
    await put(backlog, leader, linked)
    await take(backlog, leader, lease_s=OVER_S)
    assert await backlog.known(["1", "2"]) == {"1", "2"}, "the broker delivers it again, soon"

    age(redis_url, leader.id, by_s=MINUTE_S)

    assert await backlog.known(["1", "2"]) == set()
    assert await put(backlog, linked) == [Standing.PUBLISH]
    assert await put(backlog, leader) == [Standing.KNOWN], "now it follows"


async def test_a_lease_that_ran_out_long_ago_is_swept(backlog: Backlog, redis_url: str) -> None:
    job = make_job("1")
    await put(backlog, job)
    await take(backlog, job, lease_s=OVER_S)
    age(redis_url, job.id, by_s=100 * MINUTE_S)

    await backlog.snapshot()

    assert (await take(backlog, job)).beginnings == 1, "nothing is remembered of it"


async def test_jobs_of_a_queue_that_is_gone_are_forgotten_except_those_at_hand(
    backlog: Backlog, redis_url: str
) -> None:
    lost, at_hand, other, new = (make_job(name) for name in ("1", "2", "3", "4"))
    bulk = make_job("5", priority=Priority.BULK)
    await put(backlog, lost, at_hand, other, bulk)
    for job in (lost, at_hand, other, bulk):
        age(redis_url, job.id, by_s=MINUTE_S)
    await put(backlog, new)
    await backlog.renew([Held(at_hand, False)], owner=ME, lease_s=LEASE_S)
    await take(backlog, other)

    assert await backlog.lose("default", Priority.NORMAL, unseen_for_s=MINUTE_S / 2) == 1

    assert await backlog.known(list("12345")) == set("2345")


async def test_thousands_of_lost_jobs_are_forgotten(backlog: Backlog) -> None:
    jobs = [make_job(str(number), queued_at=1000.0 + number) for number in range(1200)]
    await put(backlog, *jobs)
    kept = jobs[600]
    await take(backlog, kept)

    assert await backlog.lose("default", Priority.NORMAL) == 1199

    assert await backlog.known([job.id for job in jobs]) == {kept.id}


async def test_a_job_that_much_younger_ones_have_overtaken_has_lost_its_message(
    backlog: Backlog, redis_url: str
) -> None:
    """Somebody has purged the broker's queue, for example."""
    old, held, young = make_job("1"), make_job("2"), make_job("3")
    await put(backlog, old, held, young)
    for job in (old, held):
        age(redis_url, job.id, by_s=5 * MINUTE_S)
    assert await backlog.known([old.id]) == {old.id}, "nothing has overtaken it yet"
    await backlog.renew([Held(held, False)], owner=ME, lease_s=LEASE_S)

    await take(backlog, young)

    assert await backlog.known(["1", "2", "3"]) == {"2", "3"}
    await put(backlog, old)
    assert await backlog.known([old.id]) == {old.id}, "it has a new message"


async def test_while_redis_is_away_everything_says_so_and_no_duty_is_done(
    own_redis: RedisServer,
) -> None:
    async with open_backlog(own_redis.url()) as backlog:
        await put(backlog, make_job("1"))
        own_redis.kill()

        for ask in (
            backlog.add([make_job("2")]),
            backlog.reserve(make_job("1"), owner=ME, lease_s=LEASE_S),
            backlog.known(["1"]),
            backlog.snapshot(),
        ):
            with pytest.raises(ResultsUnavailableError) as caught:
                await ask
            assert caught.value.retry_after_s
        assert not await backlog.try_lead("tidy", for_s=1.0)
