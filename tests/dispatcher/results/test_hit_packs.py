"""Hits in the object store: many in one object, found by whoever has to."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher.errors import StorageUnavailableError
from dispatcher.jobs import Idempotency, Job
from dispatcher.results import hit_packs
from dispatcher.results.hit_packs import HitPacks, belongs_in_pack
from dispatcher.servers.objects import ObjectInfo, ObjectStore
from tests.dispatcher.records import completed, make_job
from tests.dispatcher.results.ending import hit
from tests.dispatcher.results.sharing import Sharing


async def paths(sharing: Sharing) -> list[str]:
    objects = await sharing.objects()
    return sorted([info.path async for info in objects.list("hits")])


def test_only_hits_without_anything_else_go_into_a_pack() -> None:
    assert belongs_in_pack(hit("a"))
    assert not belongs_in_pack(completed(make_job()))
    for changes in (
        {"webhook_url": "https://hooks.example.com/"},
        {"idempotency": Idempotency("key", "f")},
    ):
        assert not belongs_in_pack(make_job(**changes).served_from_cache({}, (), "r1"))


async def test_hits_that_come_together_share_few_objects(sharing: Sharing) -> None:
    packs = HitPacks(await sharing.objects())
    hits = [hit(f"hit-{number}") for number in range(200)]
    await asyncio.gather(*map(packs.add, hits))
    assert len(await paths(sharing)) <= 2, "the first, and all that came meanwhile"
    other = HitPacks(await sharing.objects())
    for job in hits[::50]:
        assert await other.find(job.id) == job
    assert sorted([job.id async for some in other.all() for job in some]) == sorted(
        job.id for job in hits
    )


async def test_what_comes_later_is_found_too(sharing: Sharing) -> None:
    here, there = [HitPacks(await sharing.objects()) for _ in range(2)]
    assert await there.find("a") is None
    await here.add(hit("a"))
    assert (await there.find("a")) is not None
    assert await there.find("b") is None


async def test_who_asks_for_nothing_again_and_again_costs_few_listings(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = await sharing.objects()
    packs, listings = HitPacks(objects), 0
    list_objects = objects.list

    def counted(folder: str) -> object:
        nonlocal listings
        listings += 1
        return list_objects(folder)

    monkeypatch.setattr(objects, "list", counted)
    for _ in range(2):
        found = await asyncio.gather(*(packs.find(f"stranger-{n}") for n in range(100)))
        assert found == [None] * 100
    assert listings <= 4


async def test_old_packs_go_by_age_and_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where writing has finer times than the whole seconds of S3.
    objects = ObjectStore(str(tmp_path))
    packs = HitPacks(objects)
    for number in range(4):
        await packs.add(hit(f"hit-{number}"))
    await packs.drop_old(retention_s=60.0, count=2)
    found = [await packs.find(f"hit-{number}") is not None for number in range(4)]
    assert found == [False, False, True, True]
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 62)
    await packs.drop_old(retention_s=60.0, count=2)
    assert [some async for some in packs.all()] == []
    await objects.close()


async def test_a_hit_is_refused_when_it_cannot_be_kept(sharing: Sharing) -> None:
    objects = await sharing.objects()
    packs = HitPacks(objects)

    async def fail(path: str, data: bytes) -> bool:
        raise OSError

    objects.put = fail  # type: ignore[method-assign,assignment]
    outcomes = await asyncio.gather(
        *(packs.add(hit(f"hit-{n}")) for n in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [OSError] * 3


async def test_one_who_leaves_disturbs_no_other(sharing: Sharing) -> None:
    packs = HitPacks(await sharing.objects())
    first = asyncio.create_task(packs.add(hit("first")))
    leaving, staying = [asyncio.create_task(packs.add(hit(name))) for name in ("b", "c")]
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await asyncio.gather(first, staying)
    assert await packs.find("c") is not None
    await packs.close()


class SlowStore(ObjectStore):
    """A store that is in no hurry to tell what is in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.may_get = asyncio.Event()

    async def get(self, path: str) -> bytes:
        await self.may_get.wait()
        return await super().get(path)


async def test_packs_that_take_long_to_read_are_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hit_packs, "_PATIENCE_S", 0.01)
    objects = SlowStore(tmp_path)
    writing = HitPacks(objects)
    kept = hit("a")
    await writing.add(kept)
    packs = HitPacks(objects)

    async with asyncio.timeout(5.0):
        for job_id in ("stranger", "a"):
            with pytest.raises(StorageUnavailableError) as refused:
                await packs.find(job_id)
            assert refused.value.retry_after_s
    objects.may_get.set()
    async with asyncio.timeout(5.0):
        await packs.read_ahead()

    assert await packs.find("a") == kept, "reading went on in the background"
    await packs.close()
    await objects.close()


async def test_what_was_read_is_found_while_others_wait_for_the_rest(tmp_path: Path) -> None:
    objects = SlowStore(tmp_path)
    objects.may_get.set()
    packs, elsewhere = HitPacks(objects), HitPacks(objects)
    first, second = hit("a"), hit("b")
    await elsewhere.add(first)
    await packs.read_ahead()
    await elsewhere.add(second)
    got, read_b = asyncio.Event(), ObjectStore.get
    objects.may_get.clear()
    waiting = asyncio.create_task(packs.find("b"))

    async def get(path: str) -> bytes:
        """Only the pack that is known already can be read."""
        if path not in packs._packs:
            got.set()
            await objects.may_get.wait()
        return await read_b(objects, path)

    objects.get = get  # type: ignore[method-assign]
    async with asyncio.timeout(5.0):
        await got.wait()
        assert await packs.find("a") == first
    assert not waiting.done()
    objects.may_get.set()
    assert await waiting == second
    await packs.close()
    await objects.close()


async def test_a_store_reads_its_packs_before_anybody_asks(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    await HitPacks(await sharing.objects()).add(hit("a"))
    read: asyncio.Queue[str] = asyncio.Queue()
    look = HitPacks._read

    async def noted(packs: HitPacks, path: str) -> list[Job]:
        read.put_nowait(path)
        return await look(packs, path)

    monkeypatch.setattr(HitPacks, "_read", noted)
    await sharing.open()

    async with asyncio.timeout(20.0):
        assert (await read.get()).startswith("hits/")


async def test_a_pack_that_cannot_be_read_hides_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    objects = ObjectStore(str(tmp_path))
    await objects.put("hits/1-damaged", b"[{")
    packs = HitPacks(objects)
    kept = hit("a")
    await packs.add(kept)

    assert await packs.find("a") == kept
    assert [job async for some in packs.all() for job in some] == [kept]
    assert "hits/1-damaged" in caplog.text
    await packs.close()
    await objects.close()


async def test_a_look_that_fails_when_all_have_gone_is_no_surprise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that nobody asks for would be told as an error of the program."""
    monkeypatch.setattr(hit_packs, "_PATIENCE_S", 0.01)
    objects = ObjectStore(str(tmp_path))
    packs, may_fail = HitPacks(objects), asyncio.Event()

    async def away(folder: str) -> AsyncIterator[ObjectInfo]:
        await may_fail.wait()
        raise StorageUnavailableError
        yield  # what makes it a listing

    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    monkeypatch.setattr(objects, "list", away)
    with pytest.raises(StorageUnavailableError):
        await packs.find("a")
    may_fail.set()
    await asyncio.wait([packs._begin_to_look()])
    packs._looking = None
    gc.collect()
    assert told == []
    await objects.close()
