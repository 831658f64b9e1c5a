"""Several dispatchers over real servers: what one of them has accepted or done holds for all."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from redis import Redis

from dispatcher.errors import OverloadedError
from dispatcher.jobs import Job, JobState
from dispatcher.pools.client import ReplicaClient
from tests.dispatcher.execution.belt import Belt, belt
from tests.dispatcher.execution.teammates import Servers, Team, Teammate, team
from tests.dispatcher.scripted_replica import hold
from tests.dispatcher.waiting import until
from tests.servers.rabbitmq import RabbitmqServer

IDENTICAL = 200
LONG_IDENTICAL = 1000


@pytest.fixture
async def line(client: ReplicaClient) -> AsyncIterator[Belt]:
    """One replica for all dispatchers, which answers when it is released."""
    async with belt(client, hold) as line:
        yield line


@pytest.fixture
async def crew(
    rabbitmq_url: str, redis_url: str, s3_url: str, tmp_path: Path, line: Belt
) -> AsyncIterator[Team]:
    servers = Servers(rabbitmq_url, redis_url, s3_url)
    async with team(servers, tmp_path, line) as crew:
        yield crew


async def accepted_by(mate: Teammate) -> Job:
    """Submit as a client does, who comes again when there is no room at the moment."""
    while True:
        try:
            return await mate.submit()
        except OverloadedError:
            await asyncio.sleep(0.05)


async def test_identical_images_sent_to_two_dispatchers_run_the_step_once(
    crew: Team, line: Belt, is_long: bool
) -> None:
    mates = [await crew.join(), await crew.join()]
    count = LONG_IDENTICAL if is_long else IDENTICAL

    jobs = await asyncio.gather(*(accepted_by(mates[number % 2]) for number in range(count)))
    await until(line.received)
    line.release()

    ended = [await mates[number % 2].ended(job) for number, job in enumerate(jobs)]
    assert {job.state for job in ended} == {JobState.COMPLETED}
    assert len({str(job.result) for job in ended}) == 1
    assert len(line.received()) == 1
    later = await mates[1].submit()
    assert later.from_cache, "whoever comes now is answered at once"


async def test_any_dispatcher_answers_for_any_job(crew: Team, line: Belt) -> None:
    api, worker = await crew.join(works=False), await crew.join()
    line.release()

    job = await api.submit()
    by_worker, by_api = await asyncio.gather(worker.ended(job), api.ended(job))

    assert by_api == by_worker
    assert by_api.state is JobState.COMPLETED


async def test_when_a_waiting_leader_is_cancelled_those_who_asked_for_the_same_are_answered(
    crew: Team, line: Belt
) -> None:
    first, second = await crew.join(works=False), await crew.join(works=False)
    leader = await first.submit()
    here, elsewhere = await first.submit(), await second.submit()

    await second.endings.cancel(await second.results.get(leader.id))
    first.work()
    line.release()

    assert [(await first.ended(job)).state for job in (leader, here, elsewhere)] == [
        JobState.CANCELLED,
        JobState.COMPLETED,
        JobState.COMPLETED,
    ]
    assert len(line.received()) == 1


async def test_when_a_leader_in_work_is_cancelled_those_who_asked_for_the_same_are_answered(
    crew: Team, line: Belt
) -> None:
    first, second = await crew.join(), await crew.join()
    leader = await first.submit()
    await until(line.received)
    here, elsewhere = await first.submit(), await second.submit()

    await second.endings.cancel(await second.results.get(leader.id))
    line.release()

    assert [(await first.ended(job)).state for job in (leader, here, elsewhere)] == [
        JobState.CANCELLED,
        JobState.COMPLETED,
        JobState.COMPLETED,
    ]
    assert len(line.received()) <= 2, "the work is done again at most once"


async def test_when_a_dispatcher_dies_those_who_followed_there_are_answered(
    crew: Team, line: Belt
) -> None:
    mortal, other = await crew.join(works=False), await crew.join()
    jobs = [await mortal.submit() for _ in range(3)]
    await until(line.received)

    await mortal.close()
    line.release()

    for job in jobs:
        assert (await other.ended(job)).state is JobState.COMPLETED
    assert len(line.received()) == 1


async def test_when_redis_forgets_everything_every_job_ends_all_the_same(
    crew: Team, line: Belt, redis_url: str
) -> None:
    first, second = await crew.join(), await crew.join()
    jobs = [await first.submit(seed) for seed in range(20)]
    jobs += [await second.submit(seed) for seed in range(20)]
    await until(line.received)

    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
    line.release()

    ended = [await second.ended(job) for job in jobs]
    assert {job.state for job in ended} == {JobState.COMPLETED}


async def test_when_the_brokers_queues_are_deleted_what_waited_in_them_is_queued_again(
    crew: Team,
    line: Belt,
    rabbitmq: RabbitmqServer,
    rabbitmq_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = await crew.join(works=False), await crew.join(works=False)
    # It knows nothing of the queue, so another one has to tell it.
    third, told = await crew.join(works=False), list[str]()
    monkeypatch.setattr(third.restocking, "hurry", lambda: told.append("a loss"))
    jobs = [await first.submit(seed) for seed in range(10)]
    jobs += [await second.submit(seed) for seed in range(5, 15)]

    vhost = unquote(urlsplit(rabbitmq_url).path.lstrip("/"))
    await asyncio.to_thread(rabbitmq.ctl, "delete_queue", "-p", vhost, "conveyor.default.normal")
    await until(lambda: told)
    line.release()
    first.work()
    second.work()

    ended = [await second.ended(job) for job in jobs]
    assert {job.state for job in ended} == {JobState.COMPLETED}
