"""How many jobs wait for each tenant, on every backend."""

from dispatcher.queues.base import JobQueue
from tests.dispatcher.queues.taking import take
from tests.dispatcher.records import make_job


async def put_for(queue: JobQueue, tenant: str, *job_ids: str) -> None:
    await queue.put([make_job(job_id, tenant=tenant) for job_id in job_ids])


async def test_each_tenant_has_as_many_as_wait_for_it(queue: JobQueue) -> None:
    await put_for(queue, "alice", "a", "b")
    await put_for(queue, "bob", "c")
    assert [queue.waiting_of(name) for name in ("alice", "bob", "carol", "")] == [2, 1, 0, 0]


async def test_a_leased_job_does_not_wait_until_it_is_given_back(queue: JobQueue) -> None:
    await put_for(queue, "alice", "a")
    lease = await take(queue)
    assert queue.waiting_of("alice") == 0
    await queue.nack(lease)
    assert queue.waiting_of("alice") == 1


async def test_a_withdrawn_job_waits_no_more(queue: JobQueue) -> None:
    await put_for(queue, "alice", "a", "b")
    assert await queue.withdraw("a")
    assert queue.waiting_of("alice") == 1
