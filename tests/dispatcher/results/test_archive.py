"""Records that are not what they should be, among others that are."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher.results.archive import ENDED, OPEN, Archive
from dispatcher.servers.objects import ObjectStore
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.servers.connecting import opened

UNREADABLE = [b"{not json", b"", b'{"id": "a"}', b"\xff\xfe"]


@pytest.fixture
async def objects(tmp_path: Path) -> AsyncIterator[ObjectStore]:
    async with opened(str(tmp_path / "objects")) as objects:
        yield objects


@pytest.fixture
def archive(objects: ObjectStore) -> Archive:
    return Archive(objects)


@pytest.mark.parametrize("document", UNREADABLE)
async def test_what_cannot_be_read_is_not_there_and_is_named(
    archive: Archive, objects: ObjectStore, document: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for folder in ("open", "ended", "batches", "deliveries"):
        await objects.put(f"{folder}/a", document)

    assert await archive.find("a") is None
    assert await archive.find_ended("a") is None
    assert await archive.find_batch("a") is None
    assert await archive.find_delivery("a") is None

    paths = {getattr(record, "path", None) for record in caplog.records}
    assert paths == {"ended/a", "batches/a", "deliveries/a"}


async def test_an_open_job_that_cannot_be_read_is_not_there(
    archive: Archive, objects: ObjectStore
) -> None:
    await objects.put(f"{OPEN}/a", UNREADABLE[0])
    assert await archive.find("a") is None


async def test_a_job_whose_end_cannot_be_read_is_not_open_again(
    archive: Archive, objects: ObjectStore
) -> None:
    await archive.open(make_job("a"))
    await objects.put(f"{ENDED}/a", UNREADABLE[0])
    assert await archive.find("a") is None


async def test_an_end_that_cannot_be_read_is_not_replaced(
    archive: Archive, objects: ObjectStore
) -> None:
    await objects.put(f"{ENDED}/a", UNREADABLE[0])
    job = completed(make_job("a"))
    assert await archive.end(job) == job
    assert await objects.get(f"{ENDED}/a") == UNREADABLE[0]


async def test_the_first_end_counts(archive: Archive) -> None:
    job = make_job("a")
    first = completed(job)
    assert await archive.end(first) == first
    assert await archive.end(failed(job)) == first
