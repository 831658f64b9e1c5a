"""What all dispatchers know together, in a real Redis."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from dispatcher.jobs import Priority
from dispatcher.queues.backlog import Backlog
from dispatcher.queues.places import Held, Place, Standing, Taking
from tests.dispatcher.queues.backlogs import (
    LEASE_S,
    ME,
    OTHER,
    OVER_S,
    eventually,
    lane,
    open_backlog,
    put,
    take,
)
from tests.dispatcher.records import make_job


@pytest.fixture
async def backlog(redis_url: str) -> AsyncIterator[Backlog]:
    async with open_backlog(redis_url) as backlog:
        yield backlog


async def test_a_job_waits_is_in_work_and_is_forgotten(backlog: Backlog) -> None:
    job = make_job("1", size_bytes=100, tenant="cats: and dogs")

    assert await put(backlog, job) == [Standing.PUBLISH]
    waiting = await backlog.snapshot()
    assert waiting.tenants == {"cats: and dogs": 1}
    assert waiting.lanes["default"].waiting == 1
    assert waiting.lanes["default"].working == 0
    assert waiting.lanes["default"].size_bytes == 100
    assert waiting.lanes["default"].oldest_at == pytest.approx(job.queued_at, abs=0.001)

    taken = await take(backlog, job)
    assert (taken.outcome, taken.beginnings) == (Taking.BEGUN, 1)
    working = await backlog.snapshot()
    assert working.tenants == {}
    assert (working.lanes["default"].waiting, working.lanes["default"].working) == (0, 1)
    assert working.lanes["default"].size_bytes == 0

    assert await backlog.end(job.id, owner=ME) is None
    assert (await backlog.snapshot()).lanes == {}
    assert await backlog.known([job.id]) == set()


async def test_figures_are_those_of_every_lane_and_tenant(backlog: Backlog) -> None:
    jobs = [
        make_job("1", pipeline_id="a", size_bytes=1, tenant="x"),
        make_job("2", pipeline_id="a", size_bytes=2, tenant="x", priority=Priority.BULK),
        make_job("3", pipeline_id="b", size_bytes=4, tenant="y"),
    ]

    added = await backlog.add(jobs)

    assert added.depth == 3
    snapshot = await backlog.snapshot()
    assert {name: one.waiting for name, one in snapshot.lanes.items()} == {"a": 2, "b": 1}
    assert {name: one.size_bytes for name, one in snapshot.lanes.items()} == {"a": 3, "b": 4}
    assert snapshot.tenants == {"x": 2, "y": 1}


async def test_the_first_of_a_lane_are_told_by_due_time_over_all_priorities(
    backlog: Backlog,
) -> None:
    at = 1000.0
    jobs = [
        make_job("bulk", queued_at=at, priority=Priority.BULK),
        make_job("normal", queued_at=at + 1),
        make_job("high", queued_at=at + 2, priority=Priority.HIGH),
        make_job("bulk that has waited", queued_at=at - 100, priority=Priority.BULK),
    ]

    await put(backlog, *jobs)

    found = await lane(backlog)
    assert found.first_ids == ("bulk that has waited", "high", "normal", "bulk")
    assert found.oldest_at == pytest.approx(at - 100)


async def test_a_job_in_work_is_nobody_elses(backlog: Backlog) -> None:
    job = make_job("1")
    await put(backlog, job)
    await take(backlog, job, owner=ME)

    refused = await take(backlog, job, owner=OTHER)

    assert refused.outcome is Taking.BUSY
    assert 0 < refused.busy_s <= LEASE_S
    assert not await backlog.give_back(job.id, owner=OTHER)
    assert await backlog.end(job.id, owner=OTHER) is None
    assert await backlog.known([job.id]) == {job.id}


async def test_an_owner_that_takes_its_job_again_has_not_begun_twice(backlog: Backlog) -> None:
    job = make_job("1")
    await put(backlog, job)
    await take(backlog, job)

    assert (await take(backlog, job)).beginnings == 1


async def test_a_lease_that_ran_out_lets_another_begin_and_both_are_counted(
    backlog: Backlog,
) -> None:
    job = make_job("1")
    await put(backlog, job)
    await take(backlog, job, owner=ME, lease_s=OVER_S)
    assert (await lane(backlog)).working == 0

    again = await take(backlog, job, owner=OTHER)

    assert (again.outcome, again.beginnings) == (Taking.BEGUN, 2)
    assert not await backlog.give_back(job.id, owner=ME), "the lease of a dispatcher that was late"
    assert await backlog.renew([Held(job, is_in_work=True)], owner=ME, lease_s=LEASE_S) == {job.id}


async def test_a_job_that_is_given_back_stands_where_it_stood_and_has_not_begun(
    backlog: Backlog,
) -> None:
    first, second = make_job("1", queued_at=1000.0), make_job("2", queued_at=1001.0)
    await put(backlog, first, second)
    await take(backlog, first)

    assert await backlog.give_back(first.id, owner=ME)

    assert (await lane(backlog)).first_ids == ("1", "2")
    assert (await take(backlog, first)).beginnings == 1


async def test_a_job_that_is_added_again_counts_once(backlog: Backlog) -> None:
    job = make_job("1", tenant="x", size_bytes=10)
    await put(backlog, job)
    await put(backlog, job)

    found = await backlog.snapshot()

    assert found.tenants == {"x": 1}
    assert (found.lanes["default"].waiting, found.lanes["default"].size_bytes) == (1, 10)


async def test_a_job_that_is_in_work_needs_no_second_message(backlog: Backlog) -> None:
    job = make_job("1")
    await put(backlog, job)
    await take(backlog, job)

    assert await put(backlog, job) == [Standing.KNOWN]


async def test_beginnings_outlast_being_queued_again(backlog: Backlog) -> None:
    job = make_job("1")
    for begun in range(1, 4):
        await put(backlog, job)
        taken = await take(backlog, job, lease_s=OVER_S)
        assert taken.beginnings == begun


async def test_a_refused_job_is_forgotten(backlog: Backlog) -> None:
    job = make_job("1", tenant="x", size_bytes=1)
    await backlog.add([job])

    await backlog.ground([job.id])

    assert (await backlog.snapshot()).lanes == {}
    assert (await backlog.snapshot()).tenants == {}


async def test_a_refused_job_whose_message_came_through_stays_in_work(backlog: Backlog) -> None:
    job = make_job("1")
    await backlog.add([job])
    await take(backlog, job)

    await backlog.ground([job.id])

    assert (await lane(backlog)).working == 1


async def test_a_withdrawn_job_is_not_taken_even_when_its_message_is_still_there(
    backlog: Backlog,
) -> None:
    job = make_job("1")
    await put(backlog, job)

    assert (await backlog.withdraw(job.id)).place is Place.WAITING

    assert (await lane(backlog)).waiting == 0
    assert (await take(backlog, job)).outcome is Taking.WITHDRAWN
    assert await backlog.renew([Held(job, is_in_work=False)], owner=ME, lease_s=LEASE_S) == set()
    assert (await lane(backlog)).waiting == 0


async def test_what_is_withdrawn_unseen_is_not_taken_either(backlog: Backlog) -> None:
    job = make_job("1")

    assert (await backlog.withdraw(job.id)).place is Place.UNKNOWN

    assert (await take(backlog, job)).outcome is Taking.WITHDRAWN


async def test_a_job_in_work_that_is_withdrawn_stays_with_its_owner(backlog: Backlog) -> None:
    job = make_job("1")
    await put(backlog, job)
    await take(backlog, job)

    assert (await backlog.withdraw(job.id)).place is Place.WORKING
    assert (await lane(backlog)).working == 1


async def test_held_jobs_are_renewed_together(backlog: Backlog) -> None:
    jobs = [make_job(str(number)) for number in range(3)]
    await put(backlog, *jobs)
    for job in jobs:
        await take(backlog, job, lease_s=OVER_S)
    held = [Held(job, is_in_work=True) for job in jobs]

    assert await backlog.renew(held, owner=ME, lease_s=LEASE_S) == set()

    assert (await lane(backlog)).working == 3
    assert (await take(backlog, jobs[0], owner=OTHER)).outcome is Taking.BUSY


async def test_one_dispatcher_at_a_time_has_a_duty(redis_url: str) -> None:
    async with open_backlog(redis_url) as mine, open_backlog(redis_url) as theirs:
        assert await mine.try_lead("tidy", for_s=30.0)
        assert not await theirs.try_lead("tidy", for_s=30.0)
        assert await theirs.try_lead("sweep", for_s=30.0)
        assert await mine.try_lead("tidy", for_s=0.05), "it goes on with it"
        await eventually(lambda: theirs.try_lead("tidy", for_s=30.0))  # its time is over
        assert not await mine.try_lead("tidy", for_s=30.0)


async def test_thousands_of_jobs_are_added_in_portions(backlog: Backlog) -> None:
    jobs = [make_job(f"{number:04}", queued_at=1000.0 + number) for number in range(1200)]

    added = await backlog.add(jobs)

    assert added.depth == 1200
    assert set(added.standings) == {Standing.PUBLISH}
    assert len(added.standings) == 1200
    assert len(await backlog.known([job.id for job in jobs])) == 1200
    assert (await lane(backlog)).first_ids[:2] == ("0000", "0001")


async def test_a_description_that_has_every_character_comes_back_whole(backlog: Backlog) -> None:
    job = make_job("ä\x00:1", pipeline_id="p:1 ü", tenant="t\n#waiting", work_key="k", size_bytes=7)
    twin = replace(job, id="twin")
    await put(backlog, job, twin)
    found = await backlog.snapshot()
    assert found.tenants == {"t\n#waiting": 1}
    assert found.lanes["p:1 ü"].first_ids == ("ä\x00:1",)

    withdrawn = await backlog.withdraw(job.id)

    assert withdrawn.successor == twin


@pytest.mark.parametrize("is_in_work", [True, False])
async def test_a_sign_of_life_that_comes_after_the_end_brings_nothing_back(
    backlog: Backlog, is_in_work: bool
) -> None:
    job = make_job("1", work_key="w")
    await put(backlog, job)
    await take(backlog, job)
    await backlog.end(job.id, owner=ME)

    await backlog.renew([Held(job, is_in_work)], owner=ME, lease_s=LEASE_S)

    assert await backlog.known([job.id]) == set()
    assert await put(backlog, make_job("2", work_key="w")) == [Standing.PUBLISH]


async def test_a_sign_of_life_that_comes_after_giving_back_takes_nothing_back(
    backlog: Backlog,
) -> None:
    job = make_job("1")
    await put(backlog, job)
    await take(backlog, job, owner=ME)
    await backlog.give_back(job.id, owner=ME)

    await backlog.renew([Held(job, is_in_work=True)], owner=ME, lease_s=LEASE_S)

    assert (await lane(backlog)).waiting == 1
    assert (await take(backlog, job, owner=OTHER)).outcome is Taking.BEGUN
    renewed = await backlog.renew([Held(job, is_in_work=True)], owner=OTHER, lease_s=LEASE_S)
    assert renewed == set()
    assert (await lane(backlog)).working == 1
