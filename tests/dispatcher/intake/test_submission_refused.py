"""Images that are refused because too much waits already, or because nobody can do them."""

import time
from collections.abc import Sequence

import pytest

from dispatcher.errors import NoReplicaError, OverloadedError
from dispatcher.intake.admission import Limits
from dispatcher.pools.client import ReadyReport
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher.images import png
from tests.dispatcher.intake.submitting import submit
from tests.dispatcher.rooms import Rooms

STEP = "default/0"


class Clock:
    """Monotonic time that can be set ahead."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


def rooms_with(clock: Clock, **limits: float) -> Rooms:
    return Rooms(
        queue=MemoryJobQueue(capacity=100),
        limits=Limits(**limits),  # type: ignore[arg-type] # the bytes are a whole number
        clock=clock,
    )


def make_ready(rooms: Rooms, *, replicas: int = 1, max_batch_size: int = 4) -> None:
    rooms.pools.apply({STEP: [f"http://127.0.0.1:{port}" for port in range(1, replicas + 1)]})
    for replica in rooms.pools.replicas():
        report = ReadyReport(revision="r1", max_batch_size=max_batch_size, description="")
        rooms.pools.get(STEP).apply_probe(replica, report)


async def submit_all(rooms: Rooms, numbers: Sequence[int]) -> int:
    """Submit images; return how many were refused."""
    refused = 0
    for number in numbers:
        try:
            await submit(rooms, number)
        except OverloadedError as exc:
            assert exc.retry_after_s is not None
            refused += 1
    return refused


async def test_no_more_bytes_of_images_wait_than_may() -> None:
    size_bytes = len(png(tail=b"0"))
    rooms = rooms_with(Clock(), capacity_bytes=3 * size_bytes)
    assert await submit_all(rooms, range(3)) == 0
    with pytest.raises(OverloadedError) as refused:
        await submit(rooms, 3)
    assert refused.value.retry_after_s is not None
    assert rooms.queue.depth() == 3
    await rooms.complete_next()
    await submit(rooms, 3)


async def test_a_hit_and_an_equal_image_are_served_even_when_nothing_is_taken() -> None:
    rooms = rooms_with(Clock(), capacity_bytes=1)
    first = await submit(rooms, 0)
    assert (await submit(rooms, 0)).coalesced
    await rooms.complete_next()
    assert (await submit(rooms, 0)).from_cache
    assert not first.from_cache


async def test_f45_a_pipeline_without_replicas_takes_jobs_for_a_while_and_then_no_more() -> None:
    clock = Clock()
    rooms = rooms_with(clock, max_starved_s=60.0)
    await submit(rooms, 0)
    clock.ahead_s = 61.0
    with pytest.raises(NoReplicaError) as refused:
        await submit(rooms, 1)
    assert (refused.value.code, refused.value.status) == ("no_capacity", 503)
    assert refused.value.retry_after_s is not None
    assert rooms.queue.depth() == 1, "what was accepted waits on"
    make_ready(rooms)
    await submit(rooms, 1)


async def test_p14_a_burst_fills_the_queue_and_a_queue_that_stays_full_is_kept_short() -> None:
    clock = Clock()
    rooms = rooms_with(clock, burst_s=10.0)
    make_ready(rooms, replicas=2)
    assert await submit_all(rooms, range(105)) == 5
    clock.ahead_s = 6.0
    assert await submit_all(rooms, range(105, 110)) == 5
    clock.ahead_s = 12.0
    for _ in range(95):
        await rooms.complete_next()
    assert await submit_all(rooms, [200]) == 1, "five wait, a third of what two replicas can have"
    await rooms.complete_next()
    assert await submit_all(rooms, [200, 201]) == 1
    clock.ahead_s = 30.0
    assert await submit_all(rooms, range(300, 350)) == 0, "nobody came for long: a new burst"
