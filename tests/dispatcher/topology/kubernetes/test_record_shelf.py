import asyncio
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from dispatcher.topology.kubernetes import record_shelf
from dispatcher.topology.kubernetes.observed import Draft
from dispatcher.topology.kubernetes.record_shelf import RecordShelf
from dispatcher.topology.kubernetes.validation import read_config_map
from tests.dispatcher.topology.kubernetes.config_maps import NAMESPACE, config_map_of
from tests.dispatcher.waiting import until


class Reading:
    """Reads records, and can be made to take long."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.may_end = threading.Event()
        self.may_end.set()

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.threads.append(threading.current_thread())
        assert self.may_end.wait(timeout=5)
        return read_config_map(*args, **options)

    @property
    def count(self) -> int:
        return len(self.threads)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    reading = Reading()
    monkeypatch.setattr(record_shelf, "read_config_map", reading)
    return reading


@pytest.fixture
def shelf() -> RecordShelf:
    return RecordShelf(NAMESPACE)


def draft_of(*args: Any, **options: Any) -> Draft:
    return msgspec.convert(msgspec.to_builtins(config_map_of(*args, **options)), Draft)


async def replicas(shelf: RecordShelf, *drafts: Draft) -> list[int]:
    return [kept.record.replicas for kept in await shelf.read(drafts)]


async def test_a_record_is_read_beside_the_event_loop(shelf: RecordShelf, reading: Reading) -> None:
    reading.may_end.clear()
    looking = asyncio.create_task(replicas(shelf, draft_of(replicas=3)))
    await until(lambda: reading.count)  # which the event loop sees while it is being read
    assert not looking.done()
    reading.may_end.set()
    assert await looking == [3]
    assert threading.main_thread() not in reading.threads


@pytest.mark.parametrize("make", [draft_of, lambda **meta: draft_of(text="{", **meta)])
async def test_a_version_is_read_once_whether_it_is_good_or_bad(
    shelf: RecordShelf, reading: Reading, make: Callable[..., Draft]
) -> None:
    for _ in range(3):
        await shelf.read([make(version="1")])
    assert reading.count == 1
    await shelf.read([make(version="2")])
    assert reading.count == 2
    await shelf.read([make(version="2", uid="u2")])
    assert reading.count == 3


async def test_who_comes_while_a_record_is_read_waits_for_it(
    shelf: RecordShelf, reading: Reading
) -> None:
    reading.may_end.clear()
    looking = [asyncio.create_task(replicas(shelf, draft_of(text="{"))) for _ in range(5)]
    await until(lambda: reading.count)
    reading.may_end.set()
    assert await asyncio.gather(*looking) == [[]] * 5
    assert reading.count == 1


async def test_a_record_that_was_spoilt_stays_what_it_was(shelf: RecordShelf) -> None:
    await shelf.read([draft_of(version="1", replicas=5)])
    for _ in range(2):
        (kept,) = await shelf.read([draft_of(version="2", text="{")])
        assert (kept.record.replicas, kept.metadata.resource_version) == (5, "1")
    assert await replicas(shelf, draft_of(version="3", replicas=6)) == [6]


async def test_another_record_of_the_same_name_inherits_nothing(shelf: RecordShelf) -> None:
    await shelf.read([draft_of(uid="u1", version="1")])
    assert await shelf.read([draft_of(uid="u2", version="2", text="{")]) == []
