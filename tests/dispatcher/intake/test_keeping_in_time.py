"""Where several servers keep what is accepted: all of it in time, or nothing."""

import asyncio

import pytest

from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.errors import StorageFullError, StorageUnavailableError
from dispatcher.intake import keeping
from dispatcher.intake.concurrency_limit import ConcurrencyLimit, LimitPolicy
from dispatcher.intake.keeping import accepted, in_time
from dispatcher.jobs import Job, JobError, JobState
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher.intake import batching
from tests.dispatcher.intake.submitting import SlowQueue, nothing_is_kept, submit
from tests.dispatcher.intake.test_requeueing import requeueing
from tests.dispatcher.records import make_job
from tests.dispatcher.rooms import Rooms

AT_ONCE_S = 0.01


class SharedQueue(MemoryJobQueue):
    """A queue that other dispatchers put jobs into, too."""

    is_shared = True


class SlowSharedQueue(SlowQueue):
    """One that takes its time."""

    is_shared = True


class FarBlobs(MemoryBlobStore):
    """Images on another machine."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked = asyncio.Event()
        self.asked = 0
        self.may_put = asyncio.Event()
        self.may_put.set()

    async def put(self, digest: str, data: bytes, *, is_new_work: bool = True) -> None:
        self.asked += 1
        self.is_asked.set()
        await self.may_put.wait()
        await super().put(digest, data, is_new_work=is_new_work)


def shared_rooms(blobs: MemoryBlobStore | None = None) -> Rooms:
    return Rooms(queue=SharedQueue(capacity=3), blobs=blobs or MemoryBlobStore())


def be_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "ACCEPT_S", AT_ONCE_S)


async def test_what_takes_too_long_is_refused_and_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    be_impatient(monkeypatch)
    blobs = FarBlobs()
    blobs.may_put.clear()
    rooms = shared_rooms(blobs)

    async with asyncio.timeout(5.0):
        with pytest.raises(StorageUnavailableError) as refused:
            await submit(rooms)

    assert refused.value.retry_after_s
    assert nothing_is_kept(rooms)
    assert rooms.coalescing.leaders() == [], "nobody follows it"


async def test_a_slow_queue_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    be_impatient(monkeypatch)
    rooms = Rooms(queue=SlowSharedQueue(capacity=3))

    async with asyncio.timeout(5.0):
        with pytest.raises(StorageUnavailableError):
            await submit(rooms)

    assert nothing_is_kept(rooms)


async def test_a_step_of_a_batch_has_the_time_of_one_submission(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    be_impatient(monkeypatch)
    rooms = batching.make_rooms(queue=SlowSharedQueue(capacity=3))

    async with asyncio.timeout(5.0):
        with pytest.raises(StorageUnavailableError):
            await batching.submit(rooms, batching.image(1), batching.image(2))

    assert rooms.results.count() == 0


async def test_whoever_repeats_a_failed_job_takes_one_place_and_not_two() -> None:
    rooms = shared_rooms()
    rooms.intake._limit = ConcurrencyLimit(LimitPolicy(least=1, most=1, wait_s=0.05))
    await rooms.blobs.put("digest", b"image")
    job = make_job("1", digest="digest", media_type="image/png")

    again = await requeueing(rooms).requeue(job.failed(1.0, JobError("x", "y"), attempts=1))

    assert again.state is JobState.QUEUED
    assert rooms.queue.depth() == 1


async def test_a_failed_job_is_repeated_in_time_or_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    be_impatient(monkeypatch)
    rooms = Rooms(queue=SlowSharedQueue(capacity=3))
    await rooms.blobs.put("digest", b"image")
    failed = make_job("1", digest="digest", media_type="image/png")
    failed = failed.failed(1.0, JobError("x", "y"), attempts=1)

    async with asyncio.timeout(5.0):
        with pytest.raises(StorageUnavailableError):
            await requeueing(rooms).requeue(failed)

    assert rooms.results.count() == 0
    assert rooms.queue.depth() == 0


async def test_alone_a_slow_disk_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    be_impatient(monkeypatch)
    queue = SlowQueue(capacity=3)
    rooms = Rooms(queue=queue)
    submitting = asyncio.create_task(submit(rooms))

    await asyncio.wait([submitting], timeout=10 * AT_ONCE_S)
    queue.may_put.set()

    assert (await submitting).id
    assert rooms.queue.depth() == 1


async def test_what_is_accepted_is_not_broken_off_any_more() -> None:
    async with in_time(is_shared=True) as deadline:
        assert deadline.when() is not None
        accepted(deadline)
        assert deadline.when() is None


async def test_another_timeout_is_passed_on() -> None:
    with pytest.raises(TimeoutError):
        async with in_time(is_shared=True):
            raise TimeoutError


async def test_image_and_record_are_kept_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = FarBlobs()
    blobs.may_put.clear()
    rooms = shared_rooms(blobs)
    add = rooms.results.add

    async def add_while_the_image_is_put(job: Job) -> None:
        await blobs.is_asked.wait()
        await add(job)
        assert rooms.queue.depth() == 0
        blobs.may_put.set()

    monkeypatch.setattr(rooms.results, "add", add_while_the_image_is_put)

    async with asyncio.timeout(5.0):
        job = await submit(rooms)

    assert await rooms.results.get(job.id) == job
    assert await blobs.hold(job.digest)


@pytest.mark.parametrize("failing", ["image", "record", "both"])
async def test_neither_stays_without_the_other(
    failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = shared_rooms()

    async def fail(*_: object, **__: object) -> None:
        await asyncio.sleep(0)
        raise StorageFullError

    if failing in ("image", "both"):
        monkeypatch.setattr(rooms.blobs, "put", fail)
    if failing in ("record", "both"):
        monkeypatch.setattr(rooms.results, "add", fail)

    with pytest.raises(StorageFullError):
        await submit(rooms)

    assert nothing_is_kept(rooms)


async def test_both_are_undone_when_the_queue_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = shared_rooms()

    async def fail(*_: object, **__: object) -> int:
        raise StorageFullError

    monkeypatch.setattr(rooms.queue, "put", fail)

    with pytest.raises(StorageFullError):
        await submit(rooms)

    assert nothing_is_kept(rooms)


async def test_while_images_cannot_be_kept_no_record_is_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rooms, added = shared_rooms(), []

    async def fail(*_: object, **__: object) -> None:
        raise StorageUnavailableError

    async def add(job: Job) -> None:
        added.append(job.id)

    monkeypatch.setattr(rooms.blobs, "unready", lambda: "the object store is away")
    monkeypatch.setattr(rooms.blobs, "put", fail)
    monkeypatch.setattr(rooms.results, "add", add)

    with pytest.raises(StorageUnavailableError):
        await submit(rooms)

    assert added == []
