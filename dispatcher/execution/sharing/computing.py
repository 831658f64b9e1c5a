"""From an offered chunk to what came of it, and from there to a chunk as the job wants it."""

from typing import Final

from dispatcher.chunks.base import ChunkOutcome, ChunkRequest
from dispatcher.execution.attempts import Attempted, Attempts, GaveUpError
from dispatcher.execution.chunks import Chunk
from dispatcher.jobs import JobError
from dispatcher.pipelines.model import StepKey
from dispatcher.pools.errors import InvalidResponseError, NoCapacityError
from dispatcher.pools.parcel import Answer
from step_app.contract.frames import BatchItem, ContractError
from step_app.contract.pictures import PictureReply, decode_pictures, encode_pictures
from step_app.contract.tiles import Tile

NO_CAPACITY: Final = NoCapacityError.code
"""Code of the one failure that says nothing of the chunk."""


class ChunkComputer:
    """Has chunks computed by this dispatcher's own replicas."""

    def __init__(self, attempts: Attempts, *, name: str) -> None:
        """Use pools.

        Args:
            attempts: have one item computed.
            name: of this dispatcher, as results tell it.
        """
        self._attempts = attempts
        self.name = name

    async def compute(self, request: ChunkRequest, picture: bytes) -> ChunkOutcome:
        """Return what comes of a chunk, an error included."""
        key = StepKey(request.pipeline_id, request.step_id)
        item = BatchItem(
            id=f"{request.job_id}#{request.index}",
            filename=request.filename,
            image=picture,
            params=request.params,
            output=request.output,
            tile=Tile(request.index, request.count),
            trace=request.trace,
        )
        try:
            attempted = await self._attempts.run(
                key, item, weight_bytes=request.weight_bytes, label=request.label
            )
        except GaveUpError as exc:
            return ChunkOutcome(dispatcher=self.name, attempts=exc.attempts, error=exc.error)
        return self._outcome_of(attempted)

    def _outcome_of(self, attempted: Attempted) -> ChunkOutcome:
        answer = attempted.answer
        if not isinstance(answer.result, PictureReply):
            error = JobError(InvalidResponseError.code, "Data came instead of a chunk.")
            return ChunkOutcome(dispatcher=self.name, attempts=attempted.attempts, error=error)
        return ChunkOutcome(
            dispatcher=self.name,
            replica=answer.replica_url,
            attempts=attempted.attempts,
            duration_s=answer.duration_s,
            revision=answer.revision,
            reply=b"".join(encode_pictures(answer.result)),
        )


def chunk_of(outcome: ChunkOutcome) -> Chunk:
    """Return the chunk that an outcome has.

    Raises:
        GaveUpError: it has none, and none will come.
    """
    raise_failure(outcome)
    try:
        result = decode_pictures(outcome.reply)
    except ContractError as exc:
        error = JobError(InvalidResponseError.code, f"{exc}.")
        raise GaveUpError(error, outcome.attempts) from exc
    answer = Answer(result, outcome.duration_s, outcome.revision, outcome.replica)
    # Another's clock tells nothing here.
    attempted = Attempted(answer, outcome.attempts, answered_at=None)
    return Chunk(attempted, outcome.dispatcher)


def raise_failure(outcome: ChunkOutcome) -> None:
    """Return when an outcome has a chunk.

    Raises:
        GaveUpError: it has none, and none will come.
    """
    if outcome.error is not None:
        raise GaveUpError(outcome.error, outcome.attempts)
