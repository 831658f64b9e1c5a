"""What an object store promises, in a directory and in S3."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dispatcher.servers.objects import ObjectMissingError, ObjectStore
from tests.dispatcher.servers.connecting import opened


@pytest.fixture(params=["directory", "s3", "folder of s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store of each kind is."""
    if request.param == "directory":
        return str(tmp_path / "not there yet")
    s3_url: str = request.getfixturevalue("s3_url")
    return s3_url.replace("?", "/a/folder?") if request.param == "folder of s3" else s3_url


@pytest.fixture
async def store(url: str) -> AsyncIterator[ObjectStore]:
    """A store of each kind."""
    async with opened(url) as store:
        yield store


async def paths_in(store: ObjectStore, folder: str) -> list[str]:
    return sorted([info.path async for info in store.list(folder)])


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", bytes(range(256)), b"x" * 6_000_000],
    ids=["empty", "nul", "every byte", "long"],
)
async def test_exactly_the_bytes_that_were_put_are_given_back(
    store: ObjectStore, data: bytes
) -> None:
    assert await store.put("blobs/aa/digest", data)
    assert await store.get("blobs/aa/digest") == data


async def test_what_is_not_there_is_missing(store: ObjectStore) -> None:
    await store.put("open/here", b"")
    for path in ("open/none", "none/none", "open", "open/here/below"):
        with pytest.raises(ObjectMissingError):
            await store.get(path)
        assert await store.find(path) is None
        await store.remove(path)


async def test_a_later_object_replaces_an_earlier_one(store: ObjectStore) -> None:
    assert await store.put("open/a", b"first")
    assert await store.put("open/a", b"second")
    assert await store.get("open/a") == b"second"


async def test_an_object_that_is_there_can_be_spared(store: ObjectStore) -> None:
    assert await store.put("ended/a", b"first", only_if_absent=True)
    assert not await store.put("ended/a", b"second", only_if_absent=True)
    assert await store.get("ended/a") == b"first"
    await store.remove("ended/a")
    assert await store.put("ended/a", b"third", only_if_absent=True)


async def test_of_many_who_claim_a_path_together_one_has_it(store: ObjectStore, url: str) -> None:
    async with opened(url) as other:
        for turn in range(5):
            claims = [f"claim {number}".encode() for number in range(12)]
            won = await asyncio.gather(
                *(
                    (store, other)[number % 2].put(f"keys/{turn}", claim, only_if_absent=True)
                    for number, claim in enumerate(claims)
                )
            )
            assert won.count(True) == 1
            assert await store.get(f"keys/{turn}") == claims[won.index(True)]


async def test_size_and_age_are_known(store: ObjectStore) -> None:
    await store.put("open/a", b"four")
    info = await store.find("open/a")
    assert info is not None
    assert (info.path, info.size_bytes) == ("open/a", 4)
    assert abs((datetime.now(UTC) - info.modified_at).total_seconds()) < 30
    assert [info] == [found async for found in store.list("open")]


async def test_what_is_removed_is_gone(store: ObjectStore) -> None:
    await store.put("open/a", b"")
    await store.remove("open/a")
    assert await store.find("open/a") is None
    assert await paths_in(store, "open") == []


async def test_a_folder_is_listed_with_all_that_is_below_it_and_nothing_else(
    store: ObjectStore,
) -> None:
    inside = ["open/a", "open/b", "open/deep/er/c"]
    for path in [*inside, "opened/d", "ope/e", "other/open/f"]:
        await store.put(path, b"")
    assert await paths_in(store, "open") == inside
    assert await paths_in(store, "nothing") == []


async def test_a_listing_has_any_number_of_pages(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for backend in ("s3", "folder"):
        monkeypatch.setattr(f"dispatcher.servers.{backend}_objects.PAGE", 3)
    for count in range(8):
        assert await paths_in(store, "open") == [f"open/{n}" for n in range(count)]
        await store.put(f"open/{count}", b"")


async def test_what_changes_during_a_listing_disturbs_nobody(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for backend in ("s3", "folder"):
        monkeypatch.setattr(f"dispatcher.servers.{backend}_objects.PAGE", 2)
    stay = [f"open/{number}" for number in range(0, 10, 2)]
    for number in range(10):
        await store.put(f"open/{number}", b"")
    seen = []
    async for info in store.list("open"):
        seen.append(info.path)
        for number in range(1, 10, 2):
            await store.remove(f"open/{number}")
        await store.put(f"open/new {len(seen)}", b"")
    assert set(stay) <= set(seen)


async def test_a_listing_may_be_left_early(store: ObjectStore) -> None:
    for name in "abc":
        await store.put(f"open/{name}", b"")
    async for _ in store.list("open"):
        break
    assert len(await paths_in(store, "open")) == 3


async def test_a_store_is_ready_once_it_was_seen(url: str) -> None:
    store = ObjectStore(url)
    assert store.unready() is not None
    await store.put("open/a", b"")
    assert store.unready() is None
    await store.close()


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "open/../../x", "open//a", "open/.", "a/.part"]
)
async def test_a_path_that_leaves_the_store_is_a_mistake(store: ObjectStore, path: str) -> None:
    with pytest.raises(ValueError, match="no path of an object"):
        await store.get(path)
    with pytest.raises(ValueError, match="no path of an object"):
        await store.put(path, b"")
