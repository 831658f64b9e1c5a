"""A dispatcher with another object store than the others neither accepts nor works."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis import Redis

from dispatcher.errors import StorageUnavailableError
from dispatcher.servers import same_store
from dispatcher.servers.objects import ObjectStore
from dispatcher.servers.redis_connection import RedisConnection
from dispatcher.servers.same_store import KEY, SameStore
from tests.dispatcher.waiting import until


class Dispatcher:
    """What of a dispatcher has to do with its object store."""

    def __init__(self, stack: AsyncExitStack, redis_url: str, folder: Path) -> None:
        self._stack = stack
        self.objects = ObjectStore(str(folder))
        self.redis = RedisConnection(redis_url)
        self.same_store = SameStore(self.objects, self.redis)

    async def start(self) -> "Dispatcher":
        for server in (self.objects, self.redis):
            await server.start()
            self._stack.push_async_callback(server.close)
        await until(lambda: self.objects.unready() is None and self.redis.unready() is None)
        return self

    @property
    def is_closed(self) -> bool:
        """Whether it does nothing because of its store, and says so."""
        reason = self.objects.unready()
        return (
            not self.same_store.may_work()
            and reason is not None
            and same_store.OTHER in reason
            and self.same_store.unready() is None
        )


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def test_all_that_have_the_same_store_use_it(
    stack: AsyncExitStack, redis_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "objects"
    first, second = [await Dispatcher(stack, redis_url, folder).start() for _ in range(2)]
    assert not first.same_store.may_work(), "not before it is known"
    assert first.same_store.unready()

    for each in (first, second, first):
        await each.same_store.look()

    for each in (first, second):
        assert each.same_store.may_work()
        assert each.same_store.unready() is None
        assert each.objects.unready() is None
    assert await first.objects.put("open/a", b"1")
    assert await second.objects.get("open/a") == b"1"


async def test_who_has_another_one_does_nothing(
    stack: AsyncExitStack, redis_url: str, tmp_path: Path
) -> None:
    right = await Dispatcher(stack, redis_url, tmp_path / "volume").start()
    wrong = await Dispatcher(stack, redis_url, tmp_path / "not-mounted").start()
    await right.same_store.look()
    await wrong.same_store.look()

    assert wrong.is_closed
    for call in (wrong.objects.put("open/a", b"1"), wrong.objects.get("open/a")):
        with pytest.raises(StorageUnavailableError) as refused:
            await call
        assert refused.value.retry_after_s
    await right.same_store.look()
    assert right.same_store.may_work()


async def test_one_that_was_wrong_takes_no_ones_place_when_redis_forgets(
    stack: AsyncExitStack, redis_url: str, tmp_path: Path
) -> None:
    right = await Dispatcher(stack, redis_url, tmp_path / "volume").start()
    wrong = await Dispatcher(stack, redis_url, tmp_path / "not-mounted").start()
    await right.same_store.look()
    await wrong.same_store.look()
    with Redis.from_url(redis_url) as raw:
        raw.flushdb()

    await wrong.same_store.look()
    await right.same_store.look()
    await wrong.same_store.look()

    assert right.same_store.may_work()
    assert wrong.is_closed


async def test_when_nobody_uses_the_first_one_any_more_another_may_be_used(
    stack: AsyncExitStack, redis_url: str, tmp_path: Path
) -> None:
    left = await Dispatcher(stack, redis_url, tmp_path / "old").start()
    new = await Dispatcher(stack, redis_url, tmp_path / "new").start()
    await left.same_store.look()
    await new.same_store.look()
    assert new.is_closed
    with Redis.from_url(redis_url) as raw:
        assert 0 < raw.ttl(KEY) <= 15, "nobody has to tell Redis to forget it"
        raw.delete(KEY)

    for _ in range(5):
        await new.same_store.look()

    assert new.same_store.may_work()
    assert new.objects.unready() is None


async def test_a_volume_that_goes_while_it_is_in_use_is_not_begun_anew(
    stack: AsyncExitStack, redis_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "volume"
    one = await Dispatcher(stack, redis_url, folder).start()
    await one.same_store.look()
    folder.rename(tmp_path / "elsewhere")
    folder.mkdir()  # what is left is where it was mounted

    await one.same_store.look()

    assert one.is_closed
    assert list(folder.iterdir()) == []
    folder.rmdir()
    (tmp_path / "elsewhere").rename(folder)
    await one.same_store.look()
    assert one.same_store.may_work()
    assert one.objects.unready() is None


async def test_while_a_store_is_away_its_place_is_kept(
    stack: AsyncExitStack, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await Dispatcher(stack, redis_url, tmp_path / "volume").start()
    await one.same_store.look()

    async def away(new: bytes | None) -> bytes | None:
        raise StorageUnavailableError

    monkeypatch.setattr(one.objects, "marker", away)
    with Redis.from_url(redis_url) as raw:
        raw.delete(KEY)
        with pytest.raises(StorageUnavailableError):
            await one.same_store.look()
        assert raw.exists(KEY)
    assert one.same_store.may_work(), "that it is away others notice"


async def test_without_redis_everything_goes_on_after_a_moment(
    stack: AsyncExitStack, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Dispatcher(stack, redis_url, tmp_path / "volume")
    assert not one.same_store.may_work()
    monkeypatch.setattr(same_store, "_PATIENCE_S", 0.0)
    assert one.same_store.may_work()
    assert one.same_store.unready() is None


async def test_it_looks_by_itself(stack: AsyncExitStack, redis_url: str, tmp_path: Path) -> None:
    one = await Dispatcher(stack, redis_url, tmp_path / "volume").start()
    await one.same_store.start()
    await until(one.same_store.may_work)
    await one.same_store.close()
