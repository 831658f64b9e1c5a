"""One try of one item at a pool, as its trace tells it."""

from dataclasses import replace
from types import TracebackType
from typing import Self

from dispatcher.pipelines.model import StepKey
from dispatcher.pools.errors import AttemptError, ItemRejectedError
from dispatcher.pools.parcel import Answer
from dispatcher.telemetry.tracing import PIPELINE_ID, server_attributes
from step_app.contract.frames import BatchItem
from step_app.contract.spans import SpanKind, Tracer


class TracedAttempt:
    """A try, from asking the pool to the answer of a replica; a context manager."""

    __slots__ = ("_span", "item")

    def __init__(
        self, tracer: Tracer, item: BatchItem, *, key: StepKey, label: str, number: int
    ) -> None:
        """Begin a try.

        Args:
            tracer: records it.
            item: what is tried.
            key: names the pool.
            label: what is done.
            number: of the try, from 1.
        """
        self._span = tracer.begin(f"stage {label}", parent=item.trace, kind=SpanKind.CLIENT)
        self.item = item
        """As it travels: what the replica does with it is caused by this try."""
        if self._span.context is not item.trace:
            self.item = replace(item, trace=self._span.context)
        if self._span.is_recorded:
            self._span.note(
                {
                    "conveyor.item.id": item.id,
                    PIPELINE_ID: key.pipeline_id,
                    "conveyor.step.id": key.step_id,
                    "conveyor.attempt": number,
                }
            )
            if item.tile is not None:
                self._span.note(
                    {
                        "conveyor.tile.index": item.tile.index,
                        "conveyor.tile.count": item.tile.count,
                    }
                )

    def note(self, answer: Answer) -> None:
        """Say who answered, and in what company the item travelled."""
        if self._span.is_recorded:
            self._span.note(
                {
                    **server_attributes(answer.replica_url),
                    "conveyor.batch.size": answer.batch_size,
                    "conveyor.step.duration_s": answer.duration_s,
                }
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if isinstance(error, AttemptError) and self._span.is_recorded:
            self._span.note(server_attributes(error.replica_url))
        if isinstance(error, ItemRejectedError):
            self._span.end(error=error.item_code)
        self._span.__exit__(kind, error, _)
