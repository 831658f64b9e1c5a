"""Batches in the database: a part of the result store."""

import asyncio
import time
from collections.abc import Iterator
from functools import partial

import msgspec

from dispatcher.errors import NotFoundError
from dispatcher.jobs import Batch
from dispatcher.results import statements
from dispatcher.results.base import OnDropped
from dispatcher.storage.writer import Writer

_batch = msgspec.json.Decoder(Batch)


class SqliteBatches:
    """The batches of one store; they go by age and by the count of their files."""

    def __init__(
        self, writer: Writer, *, retention_s: float, retention_count: int, on_dropped: OnDropped
    ) -> None:
        self._writer = writer
        self._retention_s = retention_s
        self._retention_count = retention_count
        self._on_dropped = on_dropped
        self._count = 0

    def start(self) -> None:
        """Count what is there."""
        self._count = self._writer.read(statements.COUNT_BATCHES)[0][0]

    async def add(self, batch: Batch) -> None:
        """Keep a new batch; whoever is stopped meanwhile has added none.

        Raises:
            StorageFullError: there is no space for it.
        """
        write = statements.batch_insertion(batch, msgspec.json.encode(batch))
        kept = self._writer.submit(write, is_new_work=True)
        dropped = self._drop()  # in the same commit
        try:
            await asyncio.wait([kept, dropped], return_when=asyncio.FIRST_EXCEPTION)
            await kept
        except asyncio.CancelledError:  # it is, or will be, there, and nobody holds its files
            self._writer.post(statements.batch_deletion(batch))
            raise
        self._count += 1

    def get(self, batch_id: str) -> Batch:
        """Return a batch.

        Raises:
            NotFoundError: no such batch, or its retention has passed.
        """
        rows = self._writer.read(statements.BATCH, (batch_id,))
        if not rows:
            raise NotFoundError
        batch = _batch.decode(rows[0][0])
        if time.time() - batch.created_at > self._retention_s:
            raise NotFoundError
        return batch

    def kept(self) -> Iterator[Batch]:
        """Yield all of them, the oldest first."""
        for (document,) in self._writer.read(statements.ALL_BATCHES):
            yield _batch.decode(document)

    async def drop_old(self) -> None:
        """Drop those that have to go."""
        if self._count:
            await asyncio.shield(self._drop())

    def _drop(self) -> "asyncio.Future[None]":
        drop = statements.BatchDrop(
            created_before=time.time() - self._retention_s, most_files=self._retention_count
        )
        done = self._writer.submit(drop)
        done.add_done_callback(partial(self._hand_over, drop))
        return done

    def _hand_over(self, drop: statements.BatchDrop, done: "asyncio.Future[None]") -> None:
        if done.cancelled() or done.exception() is not None:
            return
        for document in drop.documents:
            self._count -= 1
            self._on_dropped(_batch.decode(document))
