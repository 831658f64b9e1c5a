import asyncio

import pytest

from dispatcher.execution.pieces import Piece
from dispatcher.execution.stage_cache import Home, Known, StageCache
from step_app.contract.limits import MAX_KEPT_BYTES
from step_app.contract.pictures import RAW_MEDIA_TYPE
from tests.dispatcher.waiting import turns


def piece(body: bytes = b"pixels", lineage: str | None = None) -> Piece:
    return Piece(body, RAW_MEDIA_TYPE, width=2, height=1, lineage=lineage)


def make(cache: StageCache, lineage: str, *pieces: Piece) -> None:
    """Make pictures, as a job does that has found none."""
    assert cache.take_off([lineage]) == [lineage]
    cache.land(lineage, pieces or (piece(lineage.encode()),))


async def found(cache: StageCache, *lineages: str | None) -> tuple[int, Known] | None:
    async with asyncio.timeout(5):
        return await cache.find(lineages)


def bodies(answer: tuple[int, Known] | None) -> list[bytes] | None:
    if answer is None:
        return None
    assert not isinstance(answer[1], Home)
    return [one.image for one in answer[1]]


# What is kept


async def test_what_was_made_is_found() -> None:
    cache = StageCache()
    make(cache, "a")
    assert await found(cache, "a") == (0, (piece(b"a"),))
    assert await found(cache, "b") is None
    assert await found(cache) is None


async def test_the_longest_beginning_that_is_known_is_found() -> None:
    cache = StageCache()
    make(cache, "resized")
    make(cache, "resized and blurred")
    lineages = ("resized", "resized and blurred", "resized, blurred and split")
    assert await found(cache, *lineages) == (1, (piece(b"resized and blurred"),))
    assert await found(cache, "resized", "something else") == (0, (piece(b"resized"),))


async def test_a_later_stage_is_found_though_an_earlier_one_is_not() -> None:
    cache = StageCache()
    make(cache, "second")
    assert await found(cache, "first", "second", "third") == (1, (piece(b"second"),))


@pytest.mark.parametrize("lineages", [(None,), (None, None), ()])
async def test_what_nothing_may_be_shared_of_is_never_found(
    lineages: tuple[str | None, ...],
) -> None:
    cache = StageCache()
    make(cache, "a")
    assert await found(cache, *lineages) is None
    assert cache.take_off(lineages) == []


async def test_all_pieces_of_a_split_are_found_in_their_order() -> None:
    cache = StageCache()
    make(cache, "split", *(piece(str(number).encode()) for number in range(5)))
    assert bodies(await found(cache, "split")) == [b"0", b"1", b"2", b"3", b"4"]


# Its bounds


def kept_in(cache: StageCache, *lineages: str) -> list[str]:
    return [name for name in lineages if name in cache._kept]


async def test_it_keeps_no_more_bytes_than_it_may_and_drops_the_least_recently_used() -> None:
    cache = StageCache(max_bytes=30)
    for name in ("a", "b", "c"):
        make(cache, name, piece(b"x" * 10))
    assert cache.total_bytes() == 30
    await found(cache, "a")
    make(cache, "d", piece(b"x" * 10))
    assert cache.total_bytes() == 30
    assert kept_in(cache, "a", "b", "c", "d") == ["a", "c", "d"]


async def test_the_pieces_of_a_split_count_together() -> None:
    cache = StageCache(max_bytes=30)
    make(cache, "a", piece(b"x" * 10))
    make(cache, "split", piece(b"x" * 10), piece(b"x" * 15))
    assert kept_in(cache, "a", "split") == ["split"]
    assert cache.total_bytes() == 25


async def test_what_is_larger_than_it_is_handed_out_and_not_kept() -> None:
    cache = StageCache(max_bytes=30)
    make(cache, "small", piece(b"x" * 10))
    cache.take_off(["large"])
    waiting = asyncio.create_task(found(cache, "large"))
    await turns(3)
    cache.land("large", [piece(b"x" * 31)])
    assert bodies(await waiting) == [b"x" * 31]
    assert await found(cache, "large") is None
    assert kept_in(cache, "small") == ["small"], "and pushes out nothing"


async def test_one_picture_may_not_fill_it() -> None:
    cache = StageCache()
    make(cache, "fits", piece(bytes(MAX_KEPT_BYTES)))
    make(cache, "too large", piece(bytes(MAX_KEPT_BYTES + 1)))
    assert kept_in(cache, "fits", "too large") == ["fits"]
    assert cache.total_bytes() == MAX_KEPT_BYTES


async def test_a_cache_of_no_bytes_keeps_nothing() -> None:
    cache = StageCache(max_bytes=0)
    make(cache, "a")
    assert await found(cache, "a") is None
    assert cache.total_bytes() == 0


# What is being made


async def test_whoever_looks_for_what_is_being_made_waits_for_it() -> None:
    cache = StageCache()
    cache.take_off(["a"])
    waiting = [asyncio.create_task(found(cache, "a", "b")) for _ in range(3)]
    await turns(3)
    assert not any(waiter.done() for waiter in waiting)
    cache.land("a", [piece(b"made")])
    assert await asyncio.gather(*waiting) == [(0, [piece(b"made")])] * 3


async def test_a_flight_that_fails_wakes_whoever_waits_with_nothing() -> None:
    cache = StageCache()
    cache.take_off(["a"])
    waiting = [asyncio.create_task(found(cache, "a")) for _ in range(3)]
    await turns(3)
    cache.land("a", None)
    assert await asyncio.gather(*waiting) == [None] * 3
    assert cache.take_off(["a"]) == ["a"], "one of them can make it now"


async def test_whoever_waited_for_nothing_takes_the_shorter_beginning() -> None:
    cache = StageCache()
    make(cache, "a")
    cache.take_off(["b"])
    waiting = asyncio.create_task(found(cache, "a", "b"))
    await turns(3)
    cache.land("b", None)
    assert await waiting == (0, (piece(b"a"),))


async def test_what_is_kept_is_found_without_waiting_for_a_shorter_beginning() -> None:
    cache = StageCache()
    make(cache, "b")
    cache.take_off(["a"])
    assert await found(cache, "a", "b") == (1, (piece(b"b"),))
    cache.land("a", None)


async def test_of_several_who_want_to_make_the_same_one_does() -> None:
    cache = StageCache()
    assert cache.take_off(["a", "b"]) == ["a", "b"]
    assert cache.take_off(["a", "b", "c"]) == ["c"], "the others are in the air already"
    cache.land("c", [piece(b"c")])
    cache.land("a", [piece(b"a")])
    assert cache.take_off(["a", "b"]) == ["a"]
    for lineage in ("a", "b"):
        cache.land(lineage, None)


async def test_one_who_stops_waiting_disturbs_no_other() -> None:
    cache = StageCache()
    cache.take_off(["a"])
    leaves, stays = [asyncio.create_task(found(cache, "a")) for _ in range(2)]
    await turns(3)
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    cache.land("a", [piece(b"made")])
    assert bodies(await stays) == [b"made"]


async def test_a_flight_that_fails_leaves_what_was_kept_before() -> None:
    cache = StageCache()
    make(cache, "a")
    cache.take_off(["a"])
    cache.land("a", None)
    assert bodies(await found(cache, "a")) == [b"a"]


# What is kept elsewhere


async def test_where_a_picture_was_made_is_found_like_the_picture() -> None:
    cache = StageCache()
    home = Home("http://127.0.0.1:5000")
    cache.take_off(["a"])
    waiting = asyncio.create_task(found(cache, "a", "b"))
    await turns(3)
    cache.land("a", home)
    assert await waiting == await found(cache, "a", "b") == (0, home)


async def test_the_longest_beginning_goes_before_a_picture_that_is_here() -> None:
    cache = StageCache()
    make(cache, "a")
    cache.take_off(["b"])
    cache.land("b", Home("http://127.0.0.1:5000"))
    assert await found(cache, "a", "b") == (1, Home("http://127.0.0.1:5000"))


async def test_places_take_space_too_and_are_bounded() -> None:
    cache = StageCache(max_bytes=10_000)
    for number in range(1000):
        cache.take_off([str(number)])
        cache.land(str(number), Home("http://127.0.0.1:5000"))
    assert cache.total_bytes() <= 10_000
    assert await found(cache, "999") is not None
    assert await found(cache, "0") is None
