"""Jobs of several dispatchers that are the same work: one leads, the others are linked."""

from collections.abc import AsyncIterator

import pytest

from dispatcher.jobs import Priority
from dispatcher.queues.backlog import Backlog
from dispatcher.queues.places import Held, Place, Standing, Taking
from tests.dispatcher.queues.backlogs import (
    LEASE_S,
    ME,
    OTHER,
    OVER_S,
    lane,
    open_backlog,
    put,
    same,
    take,
)
from tests.dispatcher.records import make_job


@pytest.fixture
async def backlog(redis_url: str) -> AsyncIterator[Backlog]:
    async with open_backlog(redis_url) as backlog:
        yield backlog


async def test_of_the_same_work_one_leads_and_the_others_are_linked(backlog: Backlog) -> None:
    standings = [await put(backlog, job) for job in same("1", "2", "3")]

    assert standings == [[Standing.PUBLISH], [Standing.KNOWN], [Standing.KNOWN]]
    assert (await lane(backlog)).waiting == 1, "linked ones take no place in the queue"
    assert await backlog.known(["1", "2", "3", "4"]) == {"1", "2", "3"}


async def test_other_work_and_work_that_is_not_shared_get_places_of_their_own(
    backlog: Backlog,
) -> None:
    jobs = [make_job("1", work_key="a"), make_job("2", work_key="b"), make_job("3"), make_job("4")]

    assert await put(backlog, *jobs) == [Standing.PUBLISH] * 4


async def test_nobody_is_accepted_before_the_leader_is(backlog: Backlog) -> None:
    leader, follower = same("1", "2")
    await backlog.add([leader])

    assert await put(backlog, follower) == [Standing.UNSETTLED]
    assert await put(backlog, follower) == [Standing.UNSETTLED], "asking does not change it"
    await backlog.confirm([leader.id])
    assert await put(backlog, follower) == [Standing.KNOWN]


async def test_when_the_leader_is_refused_one_who_asks_again_leads(backlog: Backlog) -> None:
    leader, second, third = same("1", "2", "3")
    await backlog.add([leader])
    await put(backlog, second, third)

    await backlog.ground([leader.id])

    assert await put(backlog, third) == [Standing.PUBLISH]
    assert await put(backlog, second) == [Standing.KNOWN]
    assert await backlog.unlink(third.id) == [second.id]


async def test_one_who_gives_up_while_the_leader_is_published_leaves_nothing_behind(
    backlog: Backlog,
) -> None:
    leader, follower = same("1", "2")
    await backlog.add([leader, follower])

    await backlog.ground([follower.id])
    await backlog.confirm([leader.id])

    assert await backlog.known([follower.id]) == set()
    assert await backlog.unlink(leader.id) == []


async def test_a_leader_whose_message_arrived_is_as_good_as_confirmed(backlog: Backlog) -> None:
    leader, follower = same("1", "2")
    await backlog.add([leader])
    await take(backlog, leader)

    assert await put(backlog, follower) == [Standing.KNOWN]


async def test_unlinking_tells_of_each_linked_job_once_in_order_of_acceptance(
    backlog: Backlog,
) -> None:
    leader, *linked = same("1", "2", "3", "4")
    await put(backlog, leader, *linked)
    await take(backlog, leader)

    assert await backlog.unlink(leader.id) == ["2", "3", "4"]

    assert await backlog.unlink(leader.id) == []
    assert await backlog.known(["2", "3", "4"]) == set()


async def test_after_unlinking_the_same_work_begins_anew(backlog: Backlog) -> None:
    leader, later = same("1", "2")
    await put(backlog, leader)
    await take(backlog, leader)
    await backlog.unlink(leader.id)

    assert await put(backlog, later) == [Standing.PUBLISH]
    assert await backlog.unlink(leader.id) == [], "the flight is another's by now"
    assert await backlog.end(leader.id, owner=ME) is None
    assert await backlog.known([later.id]) == {later.id}


async def test_only_a_leader_unlinks(backlog: Backlog) -> None:
    leader, linked = same("1", "2")
    await put(backlog, leader, linked)

    assert await backlog.unlink(linked.id) == []
    assert await backlog.unlink("unknown") == []
    assert await backlog.unlink(leader.id) == [linked.id]


async def test_a_linked_job_that_is_withdrawn_just_leaves(backlog: Backlog) -> None:
    leader, second, third = same("1", "2", "3")
    await put(backlog, leader, second, third)

    withdrawn = await backlog.withdraw(second.id)

    assert (withdrawn.place, withdrawn.successor) == (Place.WAITING, None)
    assert await backlog.unlink(leader.id) == [third.id]


async def test_a_withdrawn_leader_leaves_its_place_to_the_first_that_is_linked(
    backlog: Backlog,
) -> None:
    leader, second, third = same("1", "2", "3")
    await put(backlog, leader, second, third)

    withdrawn = await backlog.withdraw(leader.id)

    assert withdrawn.successor == second, "as its dispatcher described it, to be published"
    assert (await lane(backlog)).first_ids == (second.id,)
    assert await put(backlog, third) == [Standing.UNSETTLED], "until the new one is confirmed"
    await backlog.confirm([second.id])
    assert await put(backlog, third) == [Standing.KNOWN]
    assert await backlog.unlink(second.id) == [third.id]


async def test_a_leader_that_ends_without_an_answer_leaves_its_place_likewise(
    backlog: Backlog,
) -> None:
    leader, second, third = same("1", "2", "3")
    await put(backlog, leader, second, third)
    await take(backlog, leader)
    assert (await backlog.withdraw(leader.id)).successor is None, "it is stopped first"

    assert await backlog.end(leader.id, owner=ME) == second

    await backlog.confirm([second.id])
    assert await backlog.known([second.id, third.id]) == {second.id, third.id}


async def test_the_successor_of_a_leader_may_be_in_another_lane_and_priority(
    backlog: Backlog,
) -> None:
    leader = make_job("1", work_key="w", pipeline_id="a", tenant="x", size_bytes=1)
    linked = make_job(
        "2", work_key="w", pipeline_id="b", priority=Priority.BULK, tenant="y", size_bytes=2
    )
    await put(backlog, leader, linked)

    await backlog.withdraw(leader.id)

    found = await backlog.snapshot()
    assert found.tenants == {"y": 1}
    assert {name: (one.waiting, one.size_bytes) for name, one in found.lanes.items()} == {
        "b": (1, 2)
    }


async def test_linked_jobs_outlast_the_death_of_who_works_on_the_leader(backlog: Backlog) -> None:
    leader, linked = same("1", "2")
    await put(backlog, leader, linked)
    await take(backlog, leader, owner="one that dies", lease_s=OVER_S)

    assert (await take(backlog, leader, owner=OTHER)).outcome is Taking.BEGUN

    assert await backlog.unlink(leader.id) == [linked.id]


async def test_the_message_of_a_job_whose_work_is_in_work_links_it(backlog: Backlog) -> None:
    """Both were queued while Redis was away, so that neither knew of the other."""
    first, second = same("1", "2")
    await take(backlog, first)

    assert (await take(backlog, second, owner=OTHER)).outcome is Taking.LINKED

    assert await backlog.known([second.id]) == {second.id}
    assert await backlog.unlink(first.id) == [second.id]


async def test_a_job_that_is_taken_leads_in_the_place_of_one_that_still_waits(
    backlog: Backlog,
) -> None:
    waiting, linked, taken = same("1", "2", "3")
    await put(backlog, waiting, linked)

    assert (await take(backlog, taken)).outcome is Taking.BEGUN, "it is here, the other is not"

    assert (await take(backlog, waiting, owner=OTHER)).outcome is Taking.LINKED
    assert await backlog.unlink(taken.id) == [waiting.id, linked.id]


async def test_who_was_taken_first_gives_the_lead_back_to_the_one_that_still_waits(
    backlog: Backlog,
) -> None:
    waiting, linked, taken, later = same("1", "2", "3", "4")
    await put(backlog, waiting, linked)
    await take(backlog, taken)

    assert await backlog.end(taken.id, owner=ME) is None, "nobody need be published"

    assert await put(backlog, later) == [Standing.KNOWN]
    assert await backlog.unlink(waiting.id) == [linked.id, later.id]


async def test_after_unlinking_the_one_that_still_waits_leads_again(backlog: Backlog) -> None:
    waiting, taken, later = same("1", "2", "3")
    await put(backlog, waiting)
    await take(backlog, taken)
    await backlog.unlink(taken.id)

    assert await put(backlog, later) == [Standing.KNOWN]

    assert (await take(backlog, waiting)).outcome is Taking.BEGUN
    assert await backlog.unlink(waiting.id) == [later.id]


async def test_a_second_message_of_a_linked_job_is_put_aside(backlog: Backlog) -> None:
    leader, linked = same("1", "2")
    await put(backlog, leader, linked)
    await take(backlog, leader)

    assert (await take(backlog, linked, owner=OTHER)).outcome is Taking.LINKED

    assert await backlog.unlink(leader.id) == [linked.id]


async def test_renewing_gives_a_leader_its_flight_back_after_everything_was_lost(
    backlog: Backlog,
) -> None:
    leader, later = same("1", "2")
    # As after a FLUSHALL: nobody knows of it but its owner.
    await backlog.renew([Held(leader, is_in_work=True)], owner=ME, lease_s=LEASE_S)

    assert await put(backlog, later) == [Standing.KNOWN]
    assert await backlog.unlink(leader.id) == [later.id]


async def test_a_leader_that_has_landed_does_not_lead_again(backlog: Backlog) -> None:
    leader, later = same("1", "2")
    await put(backlog, leader)
    await take(backlog, leader)
    await backlog.unlink(leader.id)

    await backlog.renew([Held(leader, is_in_work=True)], owner=ME, lease_s=LEASE_S)

    assert await put(backlog, later) == [Standing.PUBLISH]
