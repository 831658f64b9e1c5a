import asyncio

import pytest

from dispatcher.blobs.base import BlobMissingError
from dispatcher.errors import (
    DrainingError,
    EmptyFileError,
    ImageTooLargeError,
    InvalidParamsError,
    OverloadedError,
    RequestError,
    UnknownPipelineError,
    UnsupportedImageTypeError,
)
from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.jobs import Job, JobState
from dispatcher.telemetry.figures import CacheOutcome
from tests.dispatcher.images import png
from tests.dispatcher.intake.submitting import (
    ANEW,
    DEFAULT,
    SlowQueue,
    nothing_is_kept,
    submit,
    upload,
)
from tests.dispatcher.records import completed, make_pipeline
from tests.dispatcher.rooms import Rooms
from tests.dispatcher.waiting import turns

# Accepting


async def test_an_accepted_job_is_kept_in_every_room(rooms: Rooms) -> None:
    job = await submit(rooms)
    assert job.state is JobState.QUEUED
    assert (job.filename, job.pipeline_id, job.expected_revision) == ("koala.png", "default", "r1")
    assert await rooms.results.get(job.id) == job
    assert await rooms.blobs.get(job.digest) == upload().image()
    assert rooms.queue.position(job.id) == 0
    assert rooms.figures.cache[CacheOutcome.MISS] == rooms.figures.accepted == 1
    assert rooms.figures.peak_depth == 1


async def test_every_job_has_an_id_of_its_own(rooms: Rooms) -> None:
    rooms.pipelines.replace([make_pipeline()])
    ids = {(await submit(rooms, seed, ANEW)).id for seed in (1, 1, 2)}
    assert len(ids) == 3


async def test_a_job_takes_its_overrides_along(rooms: Rooms) -> None:
    job = await submit(rooms, options=SubmitOptions(params='{"classifier": {"top_k": 3}}'))
    assert job.overrides == {"0": {"top_k": 3}}


async def test_a_job_goes_through_the_pipeline_it_names(rooms: Rooms) -> None:
    rooms.pipelines.replace([make_pipeline(), make_pipeline(pipeline_id="other")])
    assert (await submit(rooms, options=SubmitOptions(pipeline="other"))).pipeline_id == "other"


# Refusing


@pytest.mark.parametrize(
    ("image", "options", "kind"),
    [
        (b"", DEFAULT, EmptyFileError),
        (b"plain text", DEFAULT, UnsupportedImageTypeError),
        (png(20_001, 1), DEFAULT, ImageTooLargeError),
        (png(20_001, 1), ANEW, ImageTooLargeError),
        (png(), SubmitOptions(pipeline="other"), UnknownPipelineError),
        (png(), SubmitOptions(params="{"), InvalidParamsError),
        (png(), SubmitOptions(params='{"classifier": {"top_k": 0}}'), InvalidParamsError),
    ],
)
async def test_nothing_is_kept_of_what_is_refused(
    rooms: Rooms, image: bytes, options: SubmitOptions, kind: type[RequestError]
) -> None:
    with pytest.raises(kind):
        await rooms.intake.submit(upload(image=image), options)
    assert nothing_is_kept(rooms)
    assert rooms.figures.accepted == 0


async def test_a_full_queue_refuses_at_once_and_keeps_nothing(rooms: Rooms) -> None:
    accepted = [await submit(rooms, seed) for seed in range(rooms.queue.capacity)]
    kept = rooms.blobs.total_bytes()
    with pytest.raises(OverloadedError) as refused:
        await submit(rooms, 99)
    assert refused.value.retry_after_s is not None
    assert (rooms.queue.depth(), rooms.results.count()) == (len(accepted), len(accepted))
    assert rooms.blobs.total_bytes() == kept
    await rooms.complete_next()
    assert (await submit(rooms, 99)).state is JobState.QUEUED


async def test_a_refused_image_can_lead_when_it_comes_again(rooms: Rooms) -> None:
    for seed in range(rooms.queue.capacity):
        await submit(rooms, seed)
    for _ in range(2):
        with pytest.raises(OverloadedError):
            await submit(rooms, 99)
    await rooms.complete_next()
    assert not (await submit(rooms, 99)).coalesced


async def test_a_draining_service_takes_nothing_not_even_what_it_knows(rooms: Rooms) -> None:
    await submit(rooms)
    await rooms.complete_next()
    await submit(rooms, 1)
    rooms.is_draining = True
    for seed in (0, 1, 2):
        with pytest.raises(DrainingError) as refused:
            await submit(rooms, seed)
        assert refused.value.retry_after_s is not None
    assert rooms.queue.depth() == 1


async def test_a_queue_that_fills_up_meanwhile_leaves_no_trace() -> None:
    rooms = Rooms(queue=SlowQueue(capacity=1))
    assert isinstance(rooms.queue, SlowQueue)
    racing = [asyncio.create_task(submit(rooms, seed)) for seed in range(3)]
    await turns(5)
    rooms.queue.may_put.set()
    outcomes = await asyncio.gather(*racing, return_exceptions=True)
    (accepted,) = [outcome for outcome in outcomes if isinstance(outcome, Job)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, OverloadedError)]
    assert len(refused) == 2
    assert all(error.retry_after_s is not None for error in refused)
    assert rooms.results.count() == rooms.queue.depth() == 1
    assert rooms.blobs.total_bytes() == len(await rooms.blobs.get(accepted.digest))


# Letting go of the bytes


async def test_the_bytes_go_when_the_last_job_of_an_image_has_ended(rooms: Rooms) -> None:
    cached, anew = await submit(rooms), await submit(rooms, options=ANEW)
    await rooms.end(completed(cached))
    assert await rooms.blobs.get(anew.digest) == upload().image()
    await rooms.end(completed(anew))
    with pytest.raises(BlobMissingError):
        await rooms.blobs.get(anew.digest)


async def test_a_client_that_leaves_while_it_leads_takes_its_job_along() -> None:
    rooms = Rooms(queue=SlowQueue(capacity=1))
    leading = asyncio.create_task(submit(rooms))
    following = asyncio.create_task(submit(rooms))
    await turns(10)
    leading.cancel()
    outcomes = await asyncio.gather(leading, following, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert isinstance(outcomes[1], OverloadedError)
    assert outcomes[1].retry_after_s is not None
    assert nothing_is_kept(rooms)
