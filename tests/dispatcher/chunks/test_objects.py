"""Outcomes as objects: what is damaged or forgotten."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher.chunks.objects import ObjectChunkShelf
from dispatcher.servers.objects import ObjectStore
from tests.dispatcher.chunks.boards import always, never
from tests.dispatcher.execution.sharing.sharers import made, wants

PATH = wants(0).path


@pytest.fixture
async def objects(tmp_path: Path) -> AsyncIterator[ObjectStore]:
    store = ObjectStore(str(tmp_path))
    await store.start()
    yield store
    await store.close()


async def test_an_outcome_under_a_foreign_name_is_none(objects: ObjectStore) -> None:
    shelf = ObjectChunkShelf(objects, may_tidy=always)
    await shelf.keep(PATH, made(0))
    await objects.put(wants(1).path, await objects.get(PATH))
    assert await shelf.find(wants(1).path) is None


@pytest.mark.parametrize("at", [0, 1, 100, -100, -1])
async def test_a_damaged_outcome_is_none(objects: ObjectStore, at: int) -> None:
    shelf = ObjectChunkShelf(objects, may_tidy=always)
    await shelf.keep(PATH, made(0))
    damaged = bytearray(await objects.get(PATH))
    damaged[at] ^= 0x5A
    await objects.put(PATH, bytes(damaged))
    found = await shelf.find(PATH)
    assert found is None or found == made(0)
    if at in (-100, 0):
        assert found is None


async def test_a_damaged_picture_is_none(objects: ObjectStore) -> None:
    shelf = ObjectChunkShelf(objects, may_tidy=always)
    await shelf.put_picture("job-1", "0" * 64, b"other pixels")
    assert await shelf.get_picture("job-1", "0" * 64) is None


@pytest.mark.parametrize("is_its_turn", [True, False])
async def test_what_was_forgotten_is_removed_by_the_one_whose_turn_it_is(
    objects: ObjectStore, is_its_turn: bool
) -> None:
    may_tidy = always if is_its_turn else never
    shelf = ObjectChunkShelf(objects, may_tidy=may_tidy, forgotten_after_s=-60.0)
    await shelf.keep(PATH, made(0))
    await shelf.put_picture("job-2", "0" * 64, b"pixels")
    await objects.put("open/job-1", b"a job")
    await shelf.tidy()
    assert await shelf.has(PATH) is not is_its_turn
    assert await objects.find("open/job-1") is not None
