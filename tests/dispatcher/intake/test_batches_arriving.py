"""Batches whose work begins while their files still arrive."""

import json

import pytest

from dispatcher.errors import (
    InvalidValueError,
    MalformedMultipartError,
    OverloadedError,
    RequestError,
)
from dispatcher.intake.batch_form import FILES_AT_ONCE, BatchForm, read_batch_form
from dispatcher.intake.batches import BatchInTransit
from dispatcher.jobs import Batch, JobState
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher.forms import CONTENT_TYPE, Body, Part, form, in_pieces, text
from tests.dispatcher.intake.batch_reading import ACTIONS, file
from tests.dispatcher.intake.batching import (
    SOBEL,
    end_next,
    jobs_of,
    let_go,
    make_intake,
    make_rooms,
)
from tests.dispatcher.records import make_job
from tests.dispatcher.rooms import Rooms

MANY = 3 * FILES_AT_ONCE + 5


class Arrival:
    """One form on its way through the reader into the intake."""

    def __init__(self, rooms: Rooms, *parts: Part, cut_off: bool = False) -> None:
        self._rooms = rooms
        self._intake = make_intake(rooms)
        body = form(*parts)
        self._body = body[: len(body) - 60] if cut_off else body
        self.depths: list[int] = []
        """How many jobs waited after each time that files were acted upon."""

    async def send(self) -> Batch:
        transit = BatchInTransit()

        async def advance(so_far: BatchForm) -> None:
            await self._intake.advance(transit, so_far)
            self.depths.append(self._rooms.queue.depth())

        read = await read_batch_form(
            {b"content-type": CONTENT_TYPE},
            Body(*in_pieces(self._body, 100)).receive,
            blobs=self._rooms.blobs,
            on_files=advance,
        )
        return await self._intake.submit(read, transit)


def files(count: int) -> list[Part]:
    return [file(number) for number in range(count)]


async def test_work_begins_while_files_still_arrive() -> None:
    rooms = make_rooms()
    arrival = Arrival(rooms, ACTIONS, *files(MANY))
    batch = await arrival.send()
    assert arrival.depths == [FILES_AT_ONCE, 2 * FILES_AT_ONCE, 3 * FILES_AT_ONCE]
    assert rooms.queue.depth() == MANY
    jobs = await jobs_of(rooms, batch)
    assert [job.filename for job in jobs] == [f"{number}.png" for number in range(MANY)]
    assert len({job.id for job in jobs}) == MANY


async def test_nothing_begins_before_the_actions_are_known() -> None:
    arrival = Arrival(make_rooms(), *files(MANY), ACTIONS)
    batch = await arrival.send()
    assert arrival.depths == []
    assert len(batch.files) == MANY


async def test_a_batch_larger_than_the_queue_is_admitted_with_its_first_files() -> None:
    rooms = make_rooms(queue=MemoryJobQueue(capacity=FILES_AT_ONCE))
    await Arrival(rooms, ACTIONS, *files(MANY)).send()
    assert rooms.queue.depth() == MANY
    with pytest.raises(OverloadedError):
        await Arrival(rooms, ACTIONS, *(file(1000 + number) for number in range(MANY))).send()


async def test_a_full_queue_refuses_after_the_first_files() -> None:
    rooms = make_rooms(queue=MemoryJobQueue(capacity=1))
    await rooms.queue.put([make_job("before")])
    arrival = Arrival(rooms, ACTIONS, *files(MANY))
    with pytest.raises(OverloadedError):
        await arrival.send()
    assert rooms.queue.depth() == 1
    assert rooms.results.count() == 0
    assert rooms.blobs.total_bytes() == 0


async def test_the_same_file_again_in_a_later_part_is_computed_once() -> None:
    rooms = make_rooms()
    again = [file(number, filename=f"again-{number}.png") for number in range(FILES_AT_ONCE)]
    batch = await Arrival(rooms, ACTIONS, *files(FILES_AT_ONCE), *again).send()
    assert rooms.queue.depth() == FILES_AT_ONCE
    while rooms.queue.depth():
        await end_next(rooms)
    jobs = await jobs_of(rooms, batch)
    assert [job.state for job in jobs] == [JobState.COMPLETED] * 2 * FILES_AT_ONCE
    assert [job.coalesced for job in jobs] == [False] * FILES_AT_ONCE + [True] * FILES_AT_ONCE


async def test_what_was_begun_of_a_form_that_broke_off_runs_out_and_leaves_no_bytes() -> None:
    rooms = make_rooms()
    arrival = Arrival(rooms, ACTIONS, *files(MANY), cut_off=True)
    with pytest.raises(MalformedMultipartError):
        await arrival.send()
    assert rooms.queue.depth() == 3 * FILES_AT_ONCE
    ended = []
    while rooms.queue.depth():
        ended.append(await end_next(rooms))
    results = {output.digest for job in ended for output in job.outputs}
    for job in ended:  # what their retention and the cache still hold
        for output in job.outputs:
            await rooms.blobs.release(output.digest)
            await rooms.blobs.release(output.digest)
    assert len(results) == len(ended)
    assert rooms.blobs.total_bytes() == 0


async def test_the_same_files_sent_once_more_after_a_form_broke_off_are_accepted() -> None:
    rooms = make_rooms(queue=MemoryJobQueue(capacity=1000))
    with pytest.raises(MalformedMultipartError):
        await Arrival(rooms, ACTIONS, *files(MANY), cut_off=True).send()
    batch = await Arrival(rooms, ACTIONS, *files(MANY)).send()
    assert rooms.queue.depth() == MANY, "most follow those that were begun"
    while rooms.queue.depth():
        await end_next(rooms)
    jobs = await jobs_of(rooms, batch)
    assert {job.state for job in jobs} == {JobState.COMPLETED}
    await let_go(rooms, batch, jobs)


@pytest.mark.parametrize(
    "late", [text("actions", json.dumps(SOBEL)), text("cache", "false")], ids=["actions", "cache"]
)
async def test_other_fields_come_before_the_files_once_work_has_begun(late: Part) -> None:
    few = await Arrival(make_rooms(), ACTIONS, *files(2), late).send()
    assert len(few.files) in (2, 4), "nothing had begun"
    with pytest.raises(InvalidValueError, match="must come before the files"):
        await Arrival(make_rooms(), ACTIONS, *files(MANY), late).send()


async def test_wrong_actions_are_refused_before_any_file_is_read() -> None:
    rooms = make_rooms()
    arrival = Arrival(rooms, text("actions", '{"operations": [["melt"]]}'), *files(MANY))
    with pytest.raises(RequestError, match="operations"):
        await arrival.send()
    assert arrival.depths == []
    assert rooms.queue.depth() == 0
    assert rooms.blobs.total_bytes() == 0
