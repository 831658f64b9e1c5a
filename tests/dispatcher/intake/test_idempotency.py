import asyncio
import time

import pytest

from dispatcher.errors import (
    DrainingError,
    DuplicateFieldError,
    IdempotencyKeyReusedError,
    ImageCorruptError,
    InvalidValueError,
    OverloadedError,
)
from dispatcher.intake.idempotency import fingerprint, read_key
from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.jobs import Idempotency
from tests.dispatcher.images import png
from tests.dispatcher.intake.submitting import SlowQueue, submit, upload
from tests.dispatcher.rooms import RETENTION_S, Rooms
from tests.dispatcher.waiting import turns


def keyed(
    key: str = "k", asked: str = "a", *, tenant: str = "", use_cache: bool = True
) -> SubmitOptions:
    """Options of a request with a key, and a fingerprint of what it asks."""
    return SubmitOptions(idempotency=Idempotency(key, asked), tenant=tenant, use_cache=use_cache)


async def test_a_repeated_request_gets_the_same_job(rooms: Rooms) -> None:
    first = await submit(rooms, options=keyed())
    again = await submit(rooms, options=keyed())
    assert again == first
    assert rooms.queue.depth() == rooms.results.count() == 1


async def test_a_repeated_request_gets_the_job_as_it_is_now(rooms: Rooms) -> None:
    first = await submit(rooms, options=keyed())
    ended = await rooms.complete_next()
    again = await submit(rooms, options=keyed())
    assert (again.id, again) == (first.id, ended)
    assert not again.from_cache, "it was no hit the first time"


async def test_a_hundred_at_the_same_time_get_one_job(rooms: Rooms) -> None:
    jobs = await asyncio.gather(
        *(submit(rooms, options=keyed(use_cache=False)) for _ in range(100))
    )
    assert len({job.id for job in jobs}) == 1
    assert rooms.queue.depth() == rooms.results.count() == 1


async def test_a_hundred_get_one_job_also_when_it_takes_a_while_to_be_safe() -> None:
    queue = SlowQueue(capacity=200)
    rooms = Rooms(queue=queue)
    coming = [
        asyncio.create_task(submit(rooms, options=keyed(use_cache=False))) for _ in range(100)
    ]
    await turns(10)
    assert not any(task.done() for task in coming)
    queue.may_put.set()
    assert len({job.id for job in await asyncio.gather(*coming)}) == 1
    assert queue.depth() == 1


async def test_another_request_under_the_same_key_is_refused(rooms: Rooms) -> None:
    await submit(rooms, options=keyed())
    with pytest.raises(IdempotencyKeyReusedError):
        await submit(rooms, 1, keyed(asked="b"))
    assert rooms.queue.depth() == rooms.results.count() == 1


async def test_another_request_is_refused_also_while_the_first_is_being_accepted() -> None:
    queue = SlowQueue(capacity=3)
    rooms = Rooms(queue=queue)
    first = asyncio.create_task(submit(rooms, options=keyed()))
    await turns(5)
    with pytest.raises(IdempotencyKeyReusedError):
        await submit(rooms, 1, keyed(asked="b"))
    queue.may_put.set()
    assert (await first).idempotency == Idempotency("k", "a")


async def test_other_keys_and_other_tenants_are_apart(rooms: Rooms) -> None:
    options = [keyed("k"), keyed("other"), keyed("k", tenant="somebody")]
    jobs = [await submit(rooms, seed, option) for seed, option in enumerate(options)]
    assert len({job.id for job in jobs}) == 3


async def test_without_a_key_every_request_is_a_job(rooms: Rooms) -> None:
    options = SubmitOptions(use_cache=False)
    first, second = [await submit(rooms, options=options) for _ in range(2)]
    assert first.id != second.id


async def test_a_refused_request_leaves_its_key_unused(rooms: Rooms) -> None:
    rooms.is_draining = True
    with pytest.raises(DrainingError):
        await submit(rooms, options=keyed())
    rooms.is_draining = False
    with pytest.raises(ImageCorruptError):
        await rooms.intake.submit(upload(image=png(0, 1)), keyed())
    for seed in range(rooms.queue.capacity):
        await submit(rooms, 100 + seed)
    with pytest.raises(OverloadedError):
        await submit(rooms, options=keyed())
    await rooms.complete_next()
    job = await submit(rooms, options=keyed(asked="something else"))
    assert (await submit(rooms, options=keyed(asked="something else"))).id == job.id


async def test_all_that_came_together_are_refused_together() -> None:
    rooms = Rooms()
    for seed in range(rooms.queue.capacity):
        await submit(rooms, 100 + seed)
    outcomes = await asyncio.gather(
        *(submit(rooms, options=keyed()) for _ in range(10)), return_exceptions=True
    )
    assert all(isinstance(outcome, OverloadedError) for outcome in outcomes)


async def test_when_the_first_is_broken_off_another_takes_its_place() -> None:
    queue = SlowQueue(capacity=3)
    rooms = Rooms(queue=queue)
    first, second = [
        asyncio.create_task(submit(rooms, options=keyed(use_cache=False))) for _ in range(2)
    ]
    await turns(5)
    first.cancel()
    await turns(5)
    queue.may_put.set()
    async with asyncio.timeout(5):
        job = await second
    assert first.cancelled()
    assert rooms.queue.depth() == rooms.results.count() == 1
    assert (await rooms.results.get(job.id)).idempotency == Idempotency("k", "a")


async def test_a_hit_is_repeated_as_a_hit(rooms: Rooms) -> None:
    await submit(rooms)
    await rooms.complete_next()
    first = await submit(rooms, options=keyed())
    assert first.from_cache
    assert await submit(rooms, options=keyed()) == first


async def test_one_that_joined_another_is_repeated_as_itself(rooms: Rooms) -> None:
    leader = await submit(rooms)
    follower = await submit(rooms, options=keyed())
    again = await submit(rooms, options=keyed())
    assert follower.id == again.id != leader.id


async def test_a_key_outlives_the_record_of_its_job(rooms: Rooms) -> None:
    long_ago = time.time() - 2 * RETENTION_S
    first = await submit(rooms, options=keyed())
    await rooms.complete_next(at=long_ago)
    again = await submit(rooms, options=keyed())
    assert again.id == first.id
    assert rooms.queue.depth() == 0


async def test_a_repeat_is_answered_also_while_the_service_drains(rooms: Rooms) -> None:
    first = await submit(rooms, options=keyed())
    rooms.is_draining = True
    assert (await submit(rooms, options=keyed())).id == first.id


async def test_repeats_are_not_counted_as_work(rooms: Rooms) -> None:
    for _ in range(3):
        await submit(rooms, options=keyed())
    assert rooms.figures.accepted == 1


@pytest.mark.parametrize("key", ["a", "!~", "x" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
def test_a_key_is_visible_ascii(key: str) -> None:
    headers = [(b"host", b"x"), (b"idempotency-key", key.encode())]
    assert read_key(headers) == key


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"a b", b"a\t", b"\x7f", "é".encode(), b"\x00"])
def test_a_key_of_anything_else_is_refused(key: bytes) -> None:
    with pytest.raises(InvalidValueError):
        read_key([(b"idempotency-key", key)])


def test_a_request_has_one_key_or_none() -> None:
    assert read_key([(b"host", b"x")]) is None
    with pytest.raises(DuplicateFieldError):
        read_key([(b"idempotency-key", b"a"), (b"idempotency-key", b"a")])


def test_a_fingerprint_is_of_the_image_and_all_options() -> None:
    known = fingerprint("d", [("pipeline", "p"), ("params", "{}")])
    assert known == fingerprint("d", [("params", "{}"), ("pipeline", "p")])
    others = [
        fingerprint("e", [("pipeline", "p"), ("params", "{}")]),
        fingerprint("d", [("pipeline", "p")]),
        fingerprint("d", [("pipeline", "{}"), ("params", "p")]),
        fingerprint("d", [("pipelineparams", "p{}")]),
        fingerprint("d", []),
    ]
    assert len({known, *others}) == 6
    assert len(known) == 64
