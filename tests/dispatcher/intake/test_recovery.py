"""What a dispatcher does with what an earlier one left."""

import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from dispatcher.blobs.base import BlobMissingError
from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.jobs import CachedResult, Job, JobState, Output
from tests.dispatcher.images import png
from tests.dispatcher.intake.recovering import (
    finish_all,
    holds_of_records,
    is_done,
    kill,
    recovered,
    recovery_of,
)
from tests.dispatcher.intake.submitting import ANEW, submit, upload
from tests.dispatcher.records import completed, failed
from tests.dispatcher.rooms import Rooms, durable_rooms


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
async def rooms(folder: Path) -> AsyncIterator[Rooms]:
    async with durable_rooms(folder, capacity=100) as rooms:
        yield rooms


async def picture(rooms: Rooms, text: str) -> Output:
    """A picture in the blob store, with one hold."""
    image = upload(image=png(tail=text.encode()))
    await rooms.blobs.put(image.digest, image.image())
    return Output(image.digest, "image/png", 8, 8, {})


async def test_waiting_jobs_go_on_with_their_images(rooms: Rooms, folder: Path) -> None:
    jobs = [await submit(rooms, seed) for seed in range(3)]
    async with recovered(await kill(rooms, folder)) as again:
        assert again.queue.depth() == 3
        for seed, job in enumerate(jobs):
            assert await again.blobs.get(job.digest) == upload(seed).image()
        assert await finish_all(again) == [job.id for job in jobs]
        assert again.blobs.total_bytes() == 0


async def test_it_tells_how_many_go_on(rooms: Rooms, folder: Path) -> None:
    for seed in range(3):
        await submit(rooms, seed)
    await submit(rooms, 0)
    await rooms.complete_next(), await submit(rooms, 2)
    left = await kill(rooms, folder)
    async with durable_rooms(left) as again:
        assert await recovery_of(again).run() == 3


async def test_with_nothing_left_nothing_is_done(folder: Path) -> None:
    async with durable_rooms(folder) as again:
        assert await recovery_of(again).run() == 0
    assert await recovery_of(Rooms()).run() == 0


async def test_a_job_in_work_is_run_again_and_ends_once(rooms: Rooms, folder: Path) -> None:
    job = await submit(rooms)
    lease = await rooms.next_lease()
    await rooms.results.save((await rooms.results.get(lease.job_id)).started(time.time()))
    async with recovered(await kill(rooms, folder)) as again:
        assert (await again.results.get(job.id)).state is JobState.QUEUED
        assert await finish_all(again) == [job.id]


async def test_a_job_that_ended_before_it_left_the_queue_is_not_run_again(
    rooms: Rooms, folder: Path
) -> None:
    job = await submit(rooms)
    await rooms.results.save(completed(job))  # and there it was killed
    async with recovered(await kill(rooms, folder)) as again:
        assert await finish_all(again) == []
        assert (await again.results.get(job.id)).state is JobState.COMPLETED
        assert again.blobs.total_bytes() == 0


async def test_an_image_that_comes_again_after_that_is_work_of_its_own(
    rooms: Rooms, folder: Path
) -> None:
    await rooms.results.save(completed(await submit(rooms)))
    async with recovered(await kill(rooms, folder)) as again:
        job = await submit(again)
        assert not job.coalesced, "nobody holds the image for the one that ended"
        assert await again.blobs.get(job.digest) == upload().image()
        assert await finish_all(again) == [job.id]


# Shared work


async def test_followers_follow_again(rooms: Rooms, folder: Path) -> None:
    leader, *followers = [await submit(rooms) for _ in range(3)]
    async with recovered(await kill(rooms, folder)) as again:
        assert again.queue.depth() == 1
        assert await finish_all(again) == [leader.id]
        assert await is_done(again, leader, *followers)
        assert again.blobs.total_bytes() == 0


async def test_new_jobs_join_what_an_earlier_process_accepted(rooms: Rooms, folder: Path) -> None:
    leader = await submit(rooms)
    async with recovered(await kill(rooms, folder)) as again:
        follower = await submit(again)
        assert follower.coalesced
        assert await finish_all(again) == [leader.id]
        assert await is_done(again, follower)


async def test_followers_of_a_leader_that_ended_early_are_served(
    rooms: Rooms, folder: Path
) -> None:
    leader, *followers = [await submit(rooms) for _ in range(3)]
    await rooms.endings.cancel(leader)
    async with recovered(await kill(rooms, folder)) as again:
        assert await finish_all(again) == [leader.id]
        assert await is_done(again, *followers)
        assert (await again.results.get(leader.id)).state is JobState.CANCELLED
        assert again.blobs.total_bytes() == 0


@pytest.mark.parametrize("has_left_queue", [False, True])
async def test_a_kill_between_the_end_of_a_leader_and_that_of_its_followers_loses_none(
    rooms: Rooms, folder: Path, *, has_left_queue: bool
) -> None:
    leader, *followers = [await submit(rooms) for _ in range(4)]
    lease = await rooms.next_lease()
    await rooms.results.save(completed(leader))
    if has_left_queue:
        await rooms.queue.ack(lease)
    async with recovered(await kill(rooms, folder)) as again:
        assert len(await finish_all(again)) == 1
        assert await is_done(again, *followers)
        assert again.blobs.total_bytes() == 0


async def test_jobs_that_share_nothing_are_each_run(rooms: Rooms, folder: Path) -> None:
    jobs = [await submit(rooms, 0, ANEW) for _ in range(3)]
    async with recovered(await kill(rooms, folder)) as again:
        assert await finish_all(again) == [job.id for job in jobs]


# What was refused or ended


async def test_a_job_that_was_never_accepted_goes(rooms: Rooms, folder: Path) -> None:
    accepted = await submit(rooms)
    await rooms.blobs.put(accepted.digest, upload().image())
    await rooms.results.add(replace(accepted, id="half accepted"))
    async with recovered(await kill(rooms, folder)) as again:
        assert again.results.count() == 1
        assert await finish_all(again) == [accepted.id]
        assert again.blobs.total_bytes() == 0


async def test_what_failed_keeps_its_image(rooms: Rooms, folder: Path) -> None:
    job = await submit(rooms)
    await rooms.end(failed(job))
    async with recovered(await kill(rooms, folder)) as again:
        assert again.queue.depth() == 0
        assert await again.blobs.get(job.digest) == upload().image()


async def test_deadlines_are_watched_again(rooms: Rooms, folder: Path) -> None:
    late = replace(await submit(rooms, 0, SubmitOptions(deadline_s=0.001)), deadline_s=0.001)
    in_time = await submit(rooms, 1, SubmitOptions(deadline_s=3600))
    await submit(rooms, 2)
    async with recovered(await kill(rooms, folder)) as again:
        assert again.deadlines.count() == 2
        assert not again.deadlines.is_over(in_time.id)
        assert again.deadlines.is_over(late.id)


# The cache


async def test_what_was_known_is_known_again(rooms: Rooms, folder: Path) -> None:
    job = await submit(rooms)
    made = await picture(rooms, "made")
    await rooms.end(completed(job, outputs=(made,)))
    async with recovered(await kill(rooms, folder)) as again:
        answered = await submit(again)
        assert answered.from_cache
        assert answered.outputs == (made,)
        assert await again.blobs.get(made.digest)


async def test_a_smaller_cache_keeps_the_latest(rooms: Rooms, folder: Path) -> None:
    for number in range(12):
        made = await picture(rooms, str(number))
        await rooms.results.keep_cached(f"key-{number}", CachedResult(None, (made,), "r1"))
    async with recovered(await kill(rooms, folder)) as again:
        assert len(again.cache) == again.cache.max_size == 10
        assert again.cache.get("key-1") is None
        assert again.cache.get("key-2") is not None
        assert [key async for key, _ in again.results.cached()] == [
            f"key-{number}" for number in range(2, 12)
        ]
        sizes = [len(png(tail=str(number).encode())) for number in range(2, 12)]
        assert again.blobs.total_bytes() == sum(sizes)


# Bytes that are gone


def lose_all_bytes(folder: Path) -> None:
    for pack in (folder / "blobs").glob("*.pack"):
        pack.unlink()


async def test_a_result_whose_pictures_are_gone_is_no_longer_known(
    rooms: Rooms, folder: Path
) -> None:
    made = await picture(rooms, "made")
    await rooms.end(completed(await submit(rooms), outputs=(made,)))
    left = await kill(rooms, folder)
    lose_all_bytes(left)
    async with recovered(left) as again:
        assert len(again.cache) == 0
        job = await submit(again)
        assert not job.from_cache
        assert await finish_all(again) == [job.id]


async def test_a_job_whose_image_is_gone_drags_no_other_along(rooms: Rooms, folder: Path) -> None:
    lost = [await submit(rooms), await submit(rooms)]
    left = await kill(rooms, folder)
    lose_all_bytes(left)
    async with recovered(left) as again:
        with pytest.raises(BlobMissingError):
            await again.blobs.get(lost[0].digest)
        anew = await submit(again)
        assert not anew.coalesced, "it brings the image along"
        for job in (*lost, anew):
            assert await again.blobs.get(job.digest) == upload().image()
        await finish_all(again)
        assert await is_done(again, *lost, anew)
        assert again.blobs.total_bytes() == 0


# Many


@pytest.mark.parametrize("seed", range(8))
async def test_holds_are_what_the_records_say_and_all_of_them_end(
    rooms: Rooms, folder: Path, seed: int
) -> None:
    dice = random.Random(seed)
    jobs: list[Job] = []
    for number in range(40):
        jobs.append(await submit(rooms, dice.randrange(8), dice.choice([SubmitOptions(), ANEW])))
        match dice.randrange(6):
            case 0 if rooms.queue.depth():
                await rooms.complete_next(outputs=(await picture(rooms, str(number)),))
            case 1:
                await end_early(rooms, dice.choice(jobs))
            case 2 if rooms.queue.depth():
                await fail_next(rooms)
            case 3 if rooms.queue.depth():
                await rooms.next_lease()
    async with recovered(await kill(rooms, folder)) as again:
        kept = await holds_of_records(again)
        assert again.blobs.total_bytes() == await sizes_of(again, kept)
        await finish_all(again)
        assert await is_done(again, *jobs)
        kept = await holds_of_records(again)
        for digest, holds in kept.items():
            for _ in range(holds):
                assert await again.blobs.get(digest)
                await again.blobs.release(digest)
        assert again.blobs.total_bytes() == 0


async def end_early(rooms: Rooms, job: Job) -> None:
    if not (await rooms.results.get(job.id)).state.is_terminal:
        await rooms.endings.cancel(job)


async def fail_next(rooms: Rooms) -> None:
    lease = await rooms.next_lease()
    job = await rooms.results.get(lease.job_id)
    await rooms.queue.nack(lease)
    if not job.state.is_terminal:
        await rooms.end(failed(job))


async def sizes_of(rooms: Rooms, kept: Counter[str]) -> int:
    return sum([len(await rooms.blobs.get(digest)) for digest in kept])


async def test_ten_thousand_jobs_go_on(rooms: Rooms, folder: Path) -> None:
    job = await submit(rooms, 0, ANEW)
    for digest in [job.digest] * 9_999:
        await rooms.blobs.hold(digest)
    jobs = [replace(job, id=f"job-{number}") for number in range(9_999)]
    await rooms.intake.enqueue(jobs)
    async with recovered(await kill(rooms, folder)) as again:
        assert again.queue.depth() == 10_000
        assert (await again.next_lease()).job_id == job.id
