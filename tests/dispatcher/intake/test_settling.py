import pytest

from dispatcher.errors import StorageUnavailableError
from dispatcher.jobs import Job, JobState
from tests.dispatcher.intake.submitting import submit
from tests.dispatcher.rooms import Rooms


async def test_a_follower_that_cannot_be_ended_keeps_back_no_other(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, *followers = [await submit(rooms) for _ in range(4)]
    unlucky, save = followers[1], rooms.results.save

    async def fail_for_one(job: Job) -> bool:
        if job.id == unlucky.id:
            raise OSError("as told")
        return await save(job)

    monkeypatch.setattr(rooms.results, "save", fail_for_one)
    await rooms.complete_next()
    for job in (leader, followers[0], followers[2]):
        assert (await rooms.results.get(job.id)).state is JobState.COMPLETED
    assert (await rooms.results.get(unlucky.id)).state is JobState.QUEUED


async def test_a_result_that_cannot_be_kept_for_later_keeps_nobody_waiting(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has worked would give the job back, and it would be computed again."""

    async def away(*_: object) -> bool:
        raise StorageUnavailableError

    monkeypatch.setattr(rooms.endings, "hold_outputs", away)
    jobs = [await submit(rooms) for _ in range(3)]
    await rooms.complete_next()
    for job in jobs:
        assert (await rooms.results.get(job.id)).state is JobState.COMPLETED
    assert rooms.coalescing.leaders() == []
