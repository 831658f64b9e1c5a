"""The chunks of one picture, computed by the replicas that this dispatcher knows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from dispatcher.execution.attempts import Attempted, Attempts
from dispatcher.execution.together import together
from dispatcher.pipelines.model import StepKey
from step_app.contract.frames import BatchItem
from step_app.contract.tiles import Tile


@dataclass(frozen=True, slots=True)
class TiledStage:
    """A picture, and the stage that makes another one of it in chunks of rows."""

    job_id: str
    key: StepKey
    """Names the pool."""
    item: BatchItem
    """What a replica would be asked for the whole picture, in the format of the chunks."""
    work: str
    """What, beside the picture, decides the result: type, params and revision, as one text."""
    tiles: int
    weight_bytes: int
    """About how many bytes of pixels it becomes at a replica; 0 when its size is not known."""
    sent_digest: str = ""
    """SHA-256 of the picture where it is the image as it was sent; empty for any other."""
    label: str = ""
    """What the stage does, for people."""

    def chunk(self, index: int) -> BatchItem:
        """Return what a replica is asked for one chunk."""
        return replace(self.item, id=f"{self.job_id}#{index}", tile=Tile(index, self.tiles))


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk as it was computed."""

    attempted: Attempted
    dispatcher: str = ""
    """Name of the dispatcher that had it computed; empty where there is only this one."""


class ChunkRunner(Protocol):
    """Has the chunks of a picture computed, by whomever."""

    async def run(self, stage: TiledStage) -> Sequence[Chunk]:
        """Return all chunks, in order.

        Raises:
            GaveUpError: one of them failed for good; nothing is left of the others.
        """
        ...


class LocalChunks:
    """Has all chunks computed at once by the replicas of one's own pools."""

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts

    async def run(self, stage: TiledStage) -> Sequence[Chunk]:
        """Return all chunks, in order; one that fails is tried again alone.

        Raises:
            GaveUpError: one of them failed for good; the others are stopped.
        """
        return await together(self.run_one(stage, index) for index in range(stage.tiles))

    async def run_one(self, stage: TiledStage, index: int) -> Chunk:
        """Return one chunk.

        Raises:
            GaveUpError: it failed for good.
        """
        return Chunk(
            await self._attempts.run(
                stage.key,
                stage.chunk(index),
                weight_bytes=stage.weight_bytes,
                label=stage.label,
            )
        )
