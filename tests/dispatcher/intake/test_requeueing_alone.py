"""Failed jobs are repeated where nobody knows the pipelines: by a command, while nothing runs."""

import pytest

from dispatcher.errors import ImageGoneError
from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.intake.requeueing import Requeueing
from dispatcher.jobs import Idempotency, JobState
from tests.dispatcher.intake.ending import outcome, settle, state_of, take
from tests.dispatcher.intake.submitting import ANEW, submit
from tests.dispatcher.records import failed
from tests.dispatcher.rooms import Rooms

OPTIONS = SubmitOptions(params='{"classifier": {"top_k": 3}}', deadline_s=60.0, tenant="ann")


def requeueing(rooms: Rooms) -> Requeueing:
    rooms.pipelines.replace([])
    return Requeueing(
        intake=rooms.intake,
        blobs=rooms.blobs,
        pipelines=None,
        coalescing=rooms.coalescing,
        figures=rooms.figures,
    )


@pytest.mark.parametrize("options", [SubmitOptions(), ANEW, OPTIONS], ids=["plain", "anew", "all"])
async def test_the_very_same_is_asked_for_again(rooms: Rooms, options: SubmitOptions) -> None:
    first = await submit(rooms, options=options)
    ended = failed(await take(rooms))
    await settle(rooms, ended)
    again = await requeueing(rooms).requeue(ended)
    fields = {name: getattr(again, name) for name in first.__struct_fields__}
    expected = {name: getattr(first, name) for name in first.__struct_fields__}
    for name in ("id", "queued_at"):
        assert fields.pop(name) != expected.pop(name)
    assert fields == expected | {"requeued_from": first.id}
    await outcome(rooms, await take(rooms))
    assert await state_of(rooms, again) is JobState.COMPLETED


async def test_a_new_job_can_be_found_by_what_was_kept_with_it(rooms: Rooms) -> None:
    await submit(rooms)
    ended = failed(await take(rooms))
    await settle(rooms, ended)
    identity = Idempotency("requeue of it", "print")
    again = await requeueing(rooms).requeue(ended, identity=identity)
    assert await rooms.results.find_by_key("", identity.key) == ("print", again.id)


async def test_an_image_that_is_gone_is_not_repeated(rooms: Rooms) -> None:
    first = await submit(rooms)
    ended = failed(await take(rooms))
    await settle(rooms, ended)
    await rooms.blobs.release(first.digest)
    with pytest.raises(ImageGoneError):
        await requeueing(rooms).requeue(ended)
