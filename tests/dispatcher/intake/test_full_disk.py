"""On a full disk new work is refused, and of what was accepted nothing is lost."""

from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from dispatcher.errors import StorageFullError
from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.jobs import Idempotency, Job, JobState, Output
from tests.dispatcher.images import png
from tests.dispatcher.intake.recovering import holds_of_records
from tests.dispatcher.intake.submitting import submit, upload
from tests.dispatcher.records import completed
from tests.dispatcher.rooms import Rooms, durable_rooms
from tests.dispatcher.storage.writing import fill_up, make_space

LARGE = 1_000_000


@pytest.fixture
async def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rooms]:
    monkeypatch.setattr("dispatcher.storage.writer._PAUSE_S", 0.005)
    monkeypatch.setattr("dispatcher.storage.reserve._TRY_AGAIN_S", 0.0)
    async with durable_rooms(tmp_path, capacity=10) as rooms:
        yield rooms


def write_much(database: apsw.Connection) -> None:
    database.execute("INSERT INTO gone (id) VALUES (?)", ("x" * LARGE,))


async def run_out_of_space(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no page, and no reserve for a while."""
    assert rooms.writer is not None
    await rooms.writer.catch_up()
    await fill_up(rooms.writer)
    monkeypatch.setattr("dispatcher.storage.reserve._TRY_AGAIN_S", 3600.0)
    with pytest.raises(StorageFullError):
        await rooms.writer.submit(write_much, is_new_work=True)


async def known_result(rooms: Rooms) -> Job:
    """A job that ended with a picture, so that its result is known."""
    job = await submit(rooms)
    made = upload(image=png(tail=b"made"))
    await rooms.blobs.put(made.digest, made.image())
    ended = completed(job, outputs=(Output(made.digest, "image/png", 8, 8, {}),))
    await rooms.end(ended)
    return ended


async def let_go_of_all(rooms: Rooms) -> None:
    for digest, holds in (await holds_of_records(rooms)).items():
        for _ in range(holds):
            await rooms.blobs.release(digest)


@pytest.mark.parametrize("key", [None, Idempotency("key", "f" * 64)])
async def test_a_new_image_is_refused(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch, key: Idempotency | None
) -> None:
    await run_out_of_space(rooms, monkeypatch)
    for _ in range(2):
        with pytest.raises(StorageFullError) as refused:
            await submit(rooms, 0, SubmitOptions(idempotency=key))
        assert refused.value.retry_after_s is not None
    assert (rooms.queue.depth(), rooms.results.count(), rooms.blobs.total_bytes()) == (0, 0, 0)


async def test_what_is_known_is_refused_too_and_its_pictures_keep_their_holds(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = await known_result(rooms)
    await run_out_of_space(rooms, monkeypatch)
    for _ in range(3):
        with pytest.raises(StorageFullError):
            await submit(rooms)
    assert rooms.results.count() == 1
    assert await rooms.blobs.get(ended.outputs[0].digest)
    await let_go_of_all(rooms)
    assert rooms.blobs.total_bytes() == 0


async def test_who_would_follow_is_refused_and_the_leader_goes_on(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = await submit(rooms)
    await run_out_of_space(rooms, monkeypatch)
    with pytest.raises(StorageFullError):
        await submit(rooms)
    assert rooms.writer is not None
    await make_space(rooms.writer)
    await rooms.complete_next()
    assert (await rooms.results.get(leader.id)).state is JobState.COMPLETED
    assert rooms.blobs.total_bytes() == 0


async def test_once_there_is_space_everything_goes_on(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_out_of_space(rooms, monkeypatch)
    with pytest.raises(StorageFullError):
        await submit(rooms)
    assert rooms.writer is not None
    await make_space(rooms.writer)
    rooms.writer._reserve._try_again_at = 0.0  # an hour later
    job = await submit(rooms)
    await rooms.complete_next()
    assert (await rooms.results.get(job.id)).state is JobState.COMPLETED
