"""Webhooks of several dispatchers: what one that dies leaves behind is sent by another, once."""

import asyncio
import time
from dataclasses import dataclass, field

from dispatcher.jobs import Delivery, Job
from dispatcher.results.archive import Archive
from dispatcher.results.shared_deliveries import SharedDeliveries
from tests.dispatcher.records import completed, make_job
from tests.dispatcher.results.sharing import Sharing
from tests.dispatcher.waiting import until


@dataclass
class Dispatcher:
    """As much of one as sees to webhooks."""

    deliveries: SharedDeliveries
    archive: Archive
    due: list[Delivery] = field(default_factory=list)

    async def end(self, job: Job) -> Delivery:
        """End a job, and leave its webhook."""
        ended = completed(job)
        await self.deliveries.leave(ended)
        await self.archive.end(ended)
        assert ended.completed_at is not None
        return Delivery(job.id, due_at=ended.completed_at)


async def dispatcher(
    sharing: Sharing, owner: str, *, suspect_for_s: float = 0.0, rightful: bool = True
) -> Dispatcher:
    async def is_rightful(_: Job) -> bool:
        return rightful

    due: list[Delivery] = []
    archive = Archive(await sharing.objects())
    deliveries = SharedDeliveries(
        archive,
        await sharing.redis(),
        owner=owner,
        on_due=due.append,
        is_rightful=is_rightful,
        suspect_for_s=suspect_for_s,
    )
    return Dispatcher(deliveries, archive, due)


async def test_what_a_dead_one_has_left_is_taken_over_once(sharing: Sharing) -> None:
    dead = await dispatcher(sharing, "dead")
    left = [await dead.end(make_job(name)) for name in "ab"]
    later = Delivery("b", due_at=time.time() + 60, tries=3)
    await dead.deliveries.put(later)
    heirs = [await dispatcher(sharing, owner) for owner in ("one", "two")]
    for heir in heirs:
        await heir.deliveries.stay_alive()
    for _ in range(2):
        await asyncio.gather(*(heir.deliveries.take_over() for heir in heirs))
    taken = [delivery for heir in heirs for delivery in heir.due]
    assert sorted(taken, key=lambda each: each.job_id) == [left[0], later]
    for heir in heirs:
        assert await heir.deliveries.own() == sorted(heir.due, key=lambda each: each.due_at)
    assert await dead.deliveries.own() == []


async def test_of_one_that_lives_nothing_is_taken(sharing: Sharing) -> None:
    alive = await dispatcher(sharing, "alive")
    await alive.deliveries.stay_alive()
    left = await alive.end(make_job("a"))
    other = await dispatcher(sharing, "other")
    await other.deliveries.take_over()
    assert other.due == []
    assert await alive.deliveries.own() == [left]


async def test_one_that_is_silent_for_a_moment_is_not_taken_for_dead(sharing: Sharing) -> None:
    """As after a FLUSHALL, until it says again that it lives."""
    alive = await dispatcher(sharing, "alive")
    await alive.end(make_job("a"))
    other = await dispatcher(sharing, "other", suspect_for_s=3600.0)
    for _ in range(2):
        await other.deliveries.take_over()
    assert other.due == []


async def test_a_webhook_of_a_job_that_has_not_ended_waits(sharing: Sharing) -> None:
    """As when a dispatcher has died just before it could record the end: it is run again."""
    dead = await dispatcher(sharing, "dead")
    job = make_job("a")
    await dead.archive.open(job)
    await dead.deliveries.leave(completed(job))
    heir = await dispatcher(sharing, "heir")
    await heir.deliveries.take_over()
    assert heir.due == []
    assert await heir.archive.is_undelivered("a")


async def test_a_webhook_of_no_job_at_all_goes_in_the_end(sharing: Sharing) -> None:
    dead = await dispatcher(sharing, "dead")
    heir = await dispatcher(sharing, "heir")
    for due_at, is_kept in ((time.time(), True), (time.time() - 25 * 3600, False)):
        await dead.deliveries.put(Delivery("nobody", due_at=due_at))
        sharing.forget()
        await heir.deliveries.take_over()
        assert await heir.archive.is_undelivered("nobody") is is_kept


async def test_a_webhook_of_a_job_that_was_never_accepted_is_not_sent(sharing: Sharing) -> None:
    dead = await dispatcher(sharing, "dead")
    await dead.end(make_job("a"))
    heir = await dispatcher(sharing, "heir", rightful=False)
    await heir.deliveries.take_over()
    assert heir.due == []
    assert not await heir.archive.is_undelivered("a")


async def test_the_store_takes_over_by_itself(sharing: Sharing) -> None:
    due: list[Delivery] = []
    store = await sharing.open(due=due)
    store._deliveries._suspect_for_s = 0.0
    dead = await dispatcher(sharing, "dead")
    await store.add(job := make_job("a", webhook_url="https://hooks.example.com/"))
    left = await dead.end(job)
    await store._take_over_deliveries()
    await until(lambda: due)
    assert due == await store.deliveries() == [left]
