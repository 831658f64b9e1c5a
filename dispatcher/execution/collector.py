"""Lets go of the pictures of jobs and batches that are no longer kept."""

import asyncio
import contextlib

from dispatcher.blobs.base import BlobStore
from dispatcher.jobs import Batch, Job
from dispatcher.results.base import ResultStore

_INTERVAL_S = 30.0


class Collector:
    """Releases what dropped records held; also has the store drop what is too old."""

    def __init__(self, *, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._digests: asyncio.Queue[str] = asyncio.Queue()

    def collect(self, dropped: Job | Batch) -> None:
        """Take note of a record that is no longer kept."""
        for digest in dropped.holds:
            self._digests.put_nowait(digest)

    async def run(self, results: ResultStore) -> None:
        """Tidy up what an earlier process left, then release until cancelled."""
        while True:
            await results.drop_old()
            await self._blobs.tidy()
            # Not a pause without work: there may never be one.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_INTERVAL_S):
                    while True:
                        await self._blobs.release(await self._digests.get())
