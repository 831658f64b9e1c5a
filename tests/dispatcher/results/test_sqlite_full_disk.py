"""A full disk refuses what is new and loses nothing of what was accepted."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_job

from dispatcher.errors import NotFoundError, StorageFullError
from dispatcher.jobs import JobState
from dispatcher.results.sqlite import SqliteResultStore
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.results.ending import hit, make_batch
from tests.dispatcher.results.keeping import URL, results_in, writer_of
from tests.dispatcher.storage.writing import fill_up, make_space
from tests.dispatcher.waiting import turns


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteResultStore]:
    """A store that has a job ``open`` and no space for more."""
    monkeypatch.setattr("dispatcher.storage.writer._PAUSE_S", 0.005)
    async with results_in(folder) as results:
        await results.add(make_job("open", filename="x" * 5000))
        await writer_of(results).catch_up()
        await fill_up(writer_of(results))
        yield results


LONG = "y" * 200_000


@pytest.mark.parametrize("kind", ["hit", "hit with webhook", "follower", "failed at once"])
async def test_new_work_is_refused_on_a_full_disk_and_nothing_of_it_is_left(
    full: SqliteResultStore, kind: str
) -> None:
    job = {
        "hit": replace_job(hit("new"), filename=LONG),
        "hit with webhook": replace_job(hit("new"), filename=LONG, webhook_url=URL),
        "follower": make_job("new", filename=LONG, coalesced=True),
        "failed at once": failed(make_job("new", filename=LONG)),
    }[kind]
    for _ in range(2):
        with pytest.raises(StorageFullError):
            await full.add(job)
        await turns(1)
        await full.discard("new")
        with pytest.raises(NotFoundError):
            await full.get("new")
    assert full.count() == 1
    await make_space(writer_of(full))
    assert await full.deliveries() == []


async def test_a_batch_is_refused_on_a_full_disk(full: SqliteResultStore) -> None:
    batch = make_batch("new")
    batch = replace(batch, files=(replace(batch.files[0], filename=LONG),))
    async with asyncio.timeout(5):
        with pytest.raises(StorageFullError):
            await full.add_batch(batch)
    with pytest.raises(NotFoundError):
        await full.get_batch("new")


async def test_an_end_waits_for_space_and_is_not_lost(full: SqliteResultStore) -> None:
    ended = completed(make_job("open", filename="x" * 5000), result={"text": LONG})
    saving = asyncio.create_task(full.save(ended))
    await turns(50)
    assert not saving.done()
    assert (await full.get("open")).state is JobState.QUEUED
    await make_space(writer_of(full))
    assert await saving
    assert await full.get("open") == ended


async def test_on_a_full_disk_what_is_there_can_be_read(full: SqliteResultStore) -> None:
    saving = asyncio.create_task(full.save(completed(make_job("open"), result={"text": LONG})))
    await turns(5)
    async with asyncio.timeout(5):
        assert [job.id for job in await full.list_jobs(tenant="")] == ["open"]
        assert await full.deliveries() == []
    await make_space(writer_of(full))
    assert await saving
