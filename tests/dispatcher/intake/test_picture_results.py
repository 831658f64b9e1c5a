"""Who holds the pictures that a job made, and that nobody holds them in the end."""

import asyncio
import hashlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dispatcher.blobs.base import BlobMissingError, BlobStore
from dispatcher.blobs.directory import DirectoryBlobStore
from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.intake.cache import ResultCache
from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.jobs import Job, Output
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher.intake.submitting import ANEW, submit
from tests.dispatcher.records import make_job, make_pipeline, make_stage
from tests.dispatcher.rooms import RETENTION_S, Rooms
from tests.dispatcher.waiting import turns, until

BACKENDS: dict[str, Callable[[Path], BlobStore]] = {
    "memory": lambda _: MemoryBlobStore(),
    "directory": lambda path: DirectoryBlobStore(path / "blobs"),
}
PICTURE = b"koala, blurred"


@pytest.fixture(params=BACKENDS)
async def rooms(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rooms]:
    """Rooms that keep two ended jobs and one result, and let go of what they drop."""
    blobs = BACKENDS[request.param](tmp_path)
    await blobs.start()
    found = Rooms(
        queue=MemoryJobQueue(capacity=100),
        retention_count=2,
        blobs=blobs,
        cache=ResultCache(max_size=1),
    )
    async with collecting(found):
        yield found
    await blobs.close()


@asynccontextmanager
async def collecting(rooms: Rooms) -> AsyncIterator[None]:
    task = asyncio.create_task(rooms.collector.run(rooms.results))
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def made(rooms: Rooms, *bodies: bytes) -> tuple[Output, ...]:
    """Put pictures as an executor does; each is held once."""
    outputs = []
    for number, body in enumerate(bodies):
        digest = hashlib.sha256(body).hexdigest()
        await rooms.blobs.put(digest, body)
        outputs.append(Output(digest, "image/png", 4, 3, {}, piece=number))
    return tuple(outputs)


async def complete_with(rooms: Rooms, *bodies: bytes) -> Job:
    """Carry the next job to its end, with these pictures as its result."""
    return await rooms.complete_next(result=None, outputs=await made(rooms, *bodies))


async def can_be_fetched(rooms: Rooms, outputs: Sequence[Output]) -> bool:
    await turns(5)  # whatever is to be let go of is let go of by now
    try:
        for output in outputs:
            await rooms.blobs.get(output.digest)
    except BlobMissingError:
        return False
    return True


async def is_empty(rooms: Rooms) -> None:
    await until(lambda: rooms.blobs.total_bytes() == 0, within_s=2)


async def forget_computed(rooms: Rooms) -> None:
    """Have so many other jobs end that those of before are dropped."""
    for seed in (101, 102):
        await submit(rooms, seed, ANEW)
        await rooms.complete_next()


async def forget_hits(rooms: Rooms) -> None:
    """Have so many other jobs be answered from the cache that those of before are dropped."""
    for number in range(2):
        await rooms.results.add(make_job(f"hit-{number}").served_from_cache({}, (), "r1"))


async def evict(rooms: Rooms) -> None:
    """Have another result take the place of the one that is cached."""
    await submit(rooms, 201)
    await rooms.complete_next()


async def forget_all(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    await evict(rooms)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + RETENTION_S + 1)
    await rooms.results.drop_old()


# Answering from the cache


async def test_a_hit_has_the_pictures_of_the_result(rooms: Rooms) -> None:
    await submit(rooms)
    computed = await complete_with(rooms, PICTURE, b"another piece")
    hit = await submit(rooms)
    assert hit.from_cache
    assert hit.outputs == computed.outputs
    assert hit.result is None
    assert await can_be_fetched(rooms, hit.outputs)


OWNERS: dict[str, Callable[[Rooms], Awaitable[None]]] = {
    "cache": evict,
    "computed": forget_computed,
    "hit": forget_hits,
}


@pytest.mark.parametrize("order", list(itertools.permutations(OWNERS)), ids="-".join)
async def test_pictures_stay_until_cache_job_and_hit_let_go_in_whatever_order(
    rooms: Rooms, order: tuple[str, ...]
) -> None:
    await submit(rooms)
    await complete_with(rooms, PICTURE, b"another piece")
    hit = await submit(rooms)
    for owner in order:
        assert await can_be_fetched(rooms, hit.outputs), f"before {owner}"
        await OWNERS[owner](rooms)
    await is_empty(rooms)
    assert not await can_be_fetched(rooms, hit.outputs)


async def test_a_hit_outlives_the_job_that_computed_it_and_the_cache(rooms: Rooms) -> None:
    await submit(rooms)
    await complete_with(rooms, PICTURE)
    hit = await submit(rooms)
    await forget_computed(rooms)
    await evict(rooms)
    kept = await rooms.results.get(hit.id)
    assert await can_be_fetched(rooms, kept.outputs)


async def test_when_a_picture_is_gone_its_result_is_no_hit(rooms: Rooms) -> None:
    await submit(rooms)
    job = await complete_with(rooms, PICTURE, b"another piece")
    gone = job.outputs[1].digest
    while await rooms.blobs.hold(gone):
        for _ in range(2):
            await rooms.blobs.release(gone)
    again = await submit(rooms)
    assert not again.from_cache
    assert rooms.queue.position(again.id) == 0


async def test_a_result_that_is_no_hit_for_a_lost_picture_holds_none_of_the_others(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    await submit(rooms)
    job = await complete_with(rooms, PICTURE, b"another piece")
    gone = job.outputs[1].digest
    for _ in range(2):  # the job's hold and the cache's
        await rooms.blobs.release(gone)
    for _ in range(3):
        await submit(rooms, options=SubmitOptions())
    await complete_with(rooms, PICTURE, b"another piece")
    await forget_all(rooms, monkeypatch)
    await is_empty(rooms)


# Whoever else holds a picture


async def test_followers_hold_the_pictures_of_their_leader(rooms: Rooms) -> None:
    jobs = [await submit(rooms) for _ in range(2)]
    await complete_with(rooms, PICTURE)
    await evict(rooms)  # drops the leader, too: the follower and this one are the last two
    follower = await rooms.results.get(jobs[1].id)
    assert await can_be_fetched(rooms, follower.outputs)
    await forget_computed(rooms)
    await is_empty(rooms)


async def test_a_follower_that_is_gone_already_holds_nothing(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    await submit(rooms)
    follower = await submit(rooms)
    await rooms.results.discard(follower.id)
    await rooms.blobs.release(follower.digest)  # as whoever ends a job does
    await complete_with(rooms, PICTURE)
    await forget_all(rooms, monkeypatch)
    await is_empty(rooms)


async def test_two_jobs_that_made_the_same_picture_hold_it_twice(rooms: Rooms) -> None:
    await submit(rooms, 1, ANEW)
    await submit(rooms, 2, ANEW)
    first = await complete_with(rooms, PICTURE)
    await complete_with(rooms, PICTURE)
    assert rooms.blobs.total_bytes() == len(PICTURE)
    await submit(rooms, 3, ANEW)
    await rooms.complete_next()  # drops the first
    assert await can_be_fetched(rooms, first.outputs)
    await forget_computed(rooms)
    await is_empty(rooms)


async def test_one_picture_that_is_there_twice_in_a_result_is_held_twice(rooms: Rooms) -> None:
    await submit(rooms)
    job = await complete_with(rooms, PICTURE, PICTURE)
    await evict(rooms)
    assert await can_be_fetched(rooms, job.outputs)
    await forget_computed(rooms)
    await is_empty(rooms)


async def test_a_result_that_is_replaced_lets_go_of_its_pictures(rooms: Rooms) -> None:
    rooms.pipelines.replace([make_pipeline(make_stage(step_type="sobel"))])
    # The same result by its key, but not the same work: one is cut into chunks.
    await submit(rooms)
    await submit(rooms, options=SubmitOptions(tiles=2))
    assert rooms.queue.depth() == 2
    await complete_with(rooms, PICTURE)
    await complete_with(rooms, b"the same, from another replica")
    await forget_computed(rooms)
    assert (await submit(rooms)).from_cache
    await forget_hits(rooms)
    await evict(rooms)
    await is_empty(rooms)


async def test_a_result_of_another_revision_is_held_by_its_job_alone(rooms: Rooms) -> None:
    await submit(rooms)
    outputs = await made(rooms, PICTURE)
    await rooms.complete_next(result=None, outputs=outputs, revision="r2")
    assert await can_be_fetched(rooms, outputs)
    await forget_computed(rooms)
    await is_empty(rooms)


async def test_a_cache_that_is_off_holds_nothing(rooms: Rooms) -> None:
    rooms = Rooms(blobs=rooms.blobs, cache=ResultCache(max_size=0), retention_count=2)
    async with collecting(rooms):
        await submit(rooms)
        job = await complete_with(rooms, PICTURE)
        assert await can_be_fetched(rooms, job.outputs)
        await forget_computed(rooms)
        await is_empty(rooms)


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_is_lost_and_nothing_is_left_whatever_happens(
    rooms: Rooms, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    for _ in range(150):
        if dice.random() < 0.6 and rooms.queue.depth() < 10:
            options = dice.choice([ANEW, SubmitOptions(), SubmitOptions()])
            job = await submit(rooms, dice.randrange(3), options)
            if job.from_cache:
                assert await can_be_fetched(rooms, job.outputs)
        elif rooms.queue.depth():
            count = dice.randrange(3)
            bodies = [str(dice.randrange(3)).encode() for _ in range(count)]
            job = await complete_with(rooms, *bodies)
            assert await can_be_fetched(rooms, job.outputs)
    while rooms.queue.depth():
        await rooms.complete_next()
    await forget_all(rooms, monkeypatch)
    await is_empty(rooms)
