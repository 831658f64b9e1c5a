"""Uploads on their way into the rooms around intake."""

import asyncio
import hashlib
from collections.abc import Sequence

from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.intake.upload import Upload
from dispatcher.jobs import Job
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher.images import png
from tests.dispatcher.rooms import Rooms

DEFAULT = SubmitOptions()
ANEW = SubmitOptions(use_cache=False)


def upload(seed: int = 0, *, filename: str = "koala.png", image: bytes | None = None) -> Upload:
    data = png(tail=str(seed).encode()) if image is None else image
    return Upload(
        chunks=[data[:10], data[10:]], digest=hashlib.sha256(data).hexdigest(), filename=filename
    )


async def submit(rooms: Rooms, seed: int = 0, options: SubmitOptions = DEFAULT) -> Job:
    return await rooms.intake.submit(upload(seed), options)


class SlowQueue(MemoryJobQueue):
    """A queue whose ``put`` takes a while, as one on a disk or in a network does."""

    def __init__(self, *, capacity: int) -> None:
        super().__init__(capacity=capacity)
        self.may_put = asyncio.Event()

    async def put(self, jobs: Sequence[Job], *, is_admitted: bool = False) -> int:
        await self.may_put.wait()
        return await super().put(jobs, is_admitted=is_admitted)


def nothing_is_kept(rooms: Rooms) -> bool:
    return not (rooms.queue.depth() or rooms.results.count() or rooms.blobs.total_bytes())
