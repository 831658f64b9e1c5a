"""Batches on their way into the rooms around intake."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from dispatcher.errors import RequestError
from dispatcher.intake.batch_form import BatchFile, BatchForm
from dispatcher.intake.batches import BatchIntake
from dispatcher.intake.sniffing import sniff
from dispatcher.jobs import Batch, Job, JobError, Output
from dispatcher.pipelines.actions import parse_actions
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher.images import png
from tests.dispatcher.records import completed, make_pipeline, make_stage
from tests.dispatcher.rooms import Rooms

BLUR = {"operations": [["blur", "median"]]}
SOBEL = {"operations": [["sobel"]]}
NO_IMAGE = b"plain text"


class SlowQueue(MemoryJobQueue):
    """A queue whose ``put`` takes a while, as one on a disk or in a network does."""

    def __init__(self, *, capacity: int) -> None:
        super().__init__(capacity=capacity)
        self.may_put = asyncio.Event()

    async def put(self, jobs: Sequence[Job], *, is_admitted: bool = False) -> int:
        await self.may_put.wait()
        return await super().put(jobs, is_admitted=is_admitted)


def image(seed: int) -> bytes:
    return png(tail=b"%d" % seed)


def make_rooms(**rooms: Any) -> Rooms:
    """Rooms with the two built-in pipelines."""
    return with_operations(Rooms(**rooms))


def with_operations(rooms: Rooms) -> Rooms:
    """Those rooms with the two built-in pipelines."""
    operations = make_stage(pipeline_id="operations", step_type="operations")
    rooms.pipelines.replace([make_pipeline(), make_pipeline(operations, pipeline_id="operations")])
    return rooms


def make_intake(rooms: Rooms) -> BatchIntake:
    return BatchIntake(
        intake=rooms.intake,
        results=rooms.results,
        blobs=rooms.blobs,
        pipelines=rooms.pipelines,
        cache=rooms.cache,
        coalescing=rooms.coalescing,
        figures=rooms.figures,
    )


async def send_form(
    rooms: Rooms, *images: bytes, actions: object = BLUR, use_cache: bool = True
) -> BatchForm:
    """A form as it was read: its images are in the blob store."""
    files = []
    for number, data in enumerate(images):
        name, digest = f"{number}.png", hashlib.sha256(data).hexdigest()
        try:
            kind = sniff(data)
        except RequestError as exc:
            error = JobError(exc.code, exc.detail)
            files.append(BatchFile(name, digest, kind=None, error=error))
            continue
        await rooms.blobs.put(digest, data)
        files.append(BatchFile(name, digest, kind, size_bytes=len(data)))
    return BatchForm(tuple(files), parse_actions(json.dumps(actions)), use_cache)


async def submit(
    rooms: Rooms, *images: bytes, actions: object = BLUR, use_cache: bool = True
) -> Batch:
    form = await send_form(rooms, *images, actions=actions, use_cache=use_cache)
    return await make_intake(rooms).submit(form)


async def jobs_of(rooms: Rooms, batch: Batch) -> list[Job]:
    return [await rooms.results.get(file.job_id) for file in batch.files]


async def make_picture(rooms: Rooms, job: Job) -> Job:
    """That job as completed with a picture, which is in the blob store."""
    data = b"made of " + job.digest.encode()
    digest = hashlib.sha256(data).hexdigest()
    await rooms.blobs.put(digest, data)
    output = Output(digest=digest, media_type="image/png", width=8, height=8, data={})
    return completed(job, result=None, outputs=(output,))


async def end_next(rooms: Rooms, ended: Job | None = None) -> Job:
    """Do with the oldest waiting job what a consumer does with one that it carried to its end."""
    lease = await rooms.queue.reserve(rooms.queue.lanes())
    assert lease is not None
    if ended is None:
        ended = await make_picture(rooms, await rooms.results.get(lease.job_id))
    assert ended.id == lease.job_id
    if await rooms.results.save(ended):
        rooms.figures.count_ended(ended)
    await rooms.queue.ack(lease)
    await rooms.endings.settle(ended)
    return ended


async def let_go(rooms: Rooms, batch: Batch, jobs: Sequence[Job] = ()) -> None:
    """Do with a batch and jobs what is done when their retention has passed."""
    for file in batch.files:
        if file.digest:
            await rooms.blobs.release(file.digest)
    for job in jobs:
        for output in job.outputs:
            await rooms.blobs.release(output.digest)
