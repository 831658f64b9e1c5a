"""One picture through one segment: from the stage cache, whole, or cut into tiles."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispatcher.execution.attempts import Attempted, Attempts, GaveUpError
from dispatcher.execution.chunks import ChunkRunner, TiledStage
from dispatcher.execution.pieces import Piece, descend, nth_of
from dispatcher.execution.plan import Segment, request_params, weight_bytes
from dispatcher.execution.stage_cache import Home, Known, StageCache
from dispatcher.execution.stage_runs import merge_runs, reused_run, stage_runs, tiled_run
from dispatcher.execution.tiling import JoinError, chunk_type, join
from dispatcher.execution.together import together
from dispatcher.jobs import Job, JobError
from dispatcher.pipelines.model import Stage, stage_identity, work_of
from dispatcher.pools.errors import InvalidResponseError
from dispatcher.runs import StageRun
from step_app.contract.frames import BatchItem
from step_app.contract.pictures import RAW_MEDIA_TYPE, PictureReply
from step_app.contract.trace_context import begun_by


@dataclass(frozen=True, slots=True)
class Passed:
    """What came out of a segment, and how each of its stages was run."""

    pieces: Sequence[Piece]
    runs: Sequence[StageRun]
    revision: str
    """Of the replica that answered; empty when everything was known."""


class SegmentRunner:
    """Runs the segments of one job."""

    def __init__(
        self, job: Job, *, attempts: Attempts, cache: StageCache, chunks: ChunkRunner
    ) -> None:
        self._job = job
        self._attempts = attempts
        self._cache = cache
        self._chunks = chunks
        self._trace = job.trace or begun_by(job.id)

    async def run(self, segment: Segment, piece: Piece) -> Passed:
        """Pass one picture through a segment.

        Raises:
            GaveUpError: it failed.
        """
        lineages = self._lineages(segment, piece)
        known = await self._cache.find(lineages)
        if known is None:
            return await self._make(segment, segment.stages, piece, lineages)
        number, pieces = known
        if isinstance(pieces, Home):
            return await self._make(segment, segment.stages, piece, lineages, home=pieces)
        rest = segment.stages[number + 1 :]
        reused = [reused_run(stage) for stage in segment.stages[: number + 1]]
        if not rest:
            return Passed(pieces, reused, "")
        passed = await together(
            self._make(segment, rest, one, self._lineages(segment, one, rest)) for one in pieces
        )
        return Passed(
            pieces=[made for one in passed for made in one.pieces],
            runs=[*reused, *merge_runs([one.runs for one in passed])],
            revision=one_revision(
                (one.revision for one in passed), expected=segment.stages[0].model_revision
            ),
        )

    async def run_data(self, segment: Segment, piece: Piece) -> tuple[Mapping[str, Any], Attempted]:
        """Have a stage that gives data look at one picture.

        Raises:
            GaveUpError: it failed.
        """
        item = self._item(segment.stages, piece)
        attempted = await self._attempts.run(segment.key, item, label=label_of(segment.stages))
        result = attempted.answer.result
        if isinstance(result, PictureReply):
            raise _garbage("a picture came instead of data", attempted)
        return result, attempted

    def _lineages(
        self, segment: Segment, piece: Piece, stages: Sequence[Stage] | None = None
    ) -> list[str | None]:
        """Return the lineage after each stage whose pictures may be shared."""
        shared = segment.stages if stages is None else stages
        if segment.is_final:
            shared = shared[:-1]  # what is delivered is encoded, and shared by the result cache
        lineage, lineages = piece.lineage, []
        for stage in shared:
            lineage = descend(lineage, stage_identity(stage, self._job.overrides))
            lineages.append(lineage)
        return lineages

    async def _make(
        self,
        segment: Segment,
        stages: Sequence[Stage],
        piece: Piece,
        lineages: Sequence[str | None],
        *,
        home: Home | None = None,
    ) -> Passed:
        """Have replicas run these stages, and let others have what comes between them."""
        own = self._cache.take_off(lineages)
        made: dict[str, Known] = {}
        try:
            if segment.tiles > 1:
                return await self._make_tiled(segment, stages[0], piece, lineages, made)
            return await self._make_whole(segment, stages, piece, lineages, made, home=home)
        finally:
            for lineage in own:
                self._cache.land(lineage, made.get(lineage))

    async def _make_whole(
        self,
        segment: Segment,
        stages: Sequence[Stage],
        piece: Piece,
        lineages: Sequence[str | None],
        made: dict[str, Known],
        *,
        home: Home | None,
    ) -> Passed:
        within = [lineage for lineage in lineages[: len(stages) - 1] if lineage is not None]
        item = self._item(
            stages, piece, output=segment.output, lineage=piece.lineage if within else None
        )
        attempted = await self._attempts.run(
            segment.key,
            item,
            weight_bytes=weight_bytes(piece.width, piece.height, stages, self._job.overrides),
            prefer="" if home is None else home.url,
            label=label_of(stages),
        )
        reply = _pictures_of(attempted, stages=len(stages))
        is_known = attempted.answer.revision == stages[0].model_revision
        last = lineages[-1] if len(lineages) == len(stages) and is_known else None
        pieces = [
            Piece.made(picture, nth_of(last, number, len(reply.pictures)), of=piece)
            for number, picture in enumerate(reply.pictures)
        ]
        if is_known:
            made.update(dict.fromkeys(within, Home(attempted.answer.replica_url)))
        if last is not None:
            made[last] = pieces
        runs = stage_runs(stages, reply.timings_s, attempted, reused=reply.reused)
        return Passed(pieces, runs, attempted.answer.revision)

    async def _make_tiled(
        self,
        segment: Segment,
        stage: Stage,
        piece: Piece,
        lineages: Sequence[str | None],
        made: dict[str, Known],
    ) -> Passed:
        """Have the chunks computed and join them."""
        asked = chunk_type(
            segment.output, tiles=segment.tiles, width=piece.width, height=piece.height
        )
        chunks = await self._chunks.run(
            TiledStage(
                job_id=self._job.id,
                key=segment.key,
                item=self._item([stage], piece, output=asked),
                work=work_of(stage, self._job.overrides),
                tiles=segment.tiles,
                weight_bytes=weight_bytes(piece.width, piece.height, [stage], self._job.overrides),
                sent_digest="" if segment.first else self._job.digest,
                label=label_of([stage]),
            )
        )
        replies = [_pictures_of(chunk.attempted, stages=1) for chunk in chunks]
        try:
            joined = join([reply.pictures[0] for reply in replies])
        except JoinError as exc:
            raise _garbage(str(exc), chunks[0].attempted) from exc
        run = tiled_run(stage, chunks, [reply.pictures[0].height for reply in replies])
        revision = one_revision(
            (chunk.attempted.answer.revision for chunk in chunks), expected=stage.model_revision
        )
        lineage = lineages[0] if lineages and revision == stage.model_revision else None
        result = Piece.made(joined, lineage, of=piece)
        if lineage is not None:
            made[lineage] = [result]
        if asked == RAW_MEDIA_TYPE and segment.output != RAW_MEDIA_TYPE:
            result = await self._encode(segment, result)
        return Passed([result], [run], revision)

    async def _encode(self, segment: Segment, piece: Piece) -> Piece:
        """Have a replica encode a picture that was joined raw: the dispatcher has no encoder."""
        item = BatchItem(
            id=self._job.id,
            filename=self._job.filename,
            image=piece.image,
            output=segment.output,
            as_is=True,
            trace=self._trace,
        )
        attempted = await self._attempts.run(segment.key, item, label="encode")
        return Piece.made(_pictures_of(attempted, stages=0).pictures[0], None, of=piece)

    def _item(
        self,
        stages: Sequence[Stage],
        piece: Piece,
        *,
        output: str = "",
        lineage: str | None = None,
    ) -> BatchItem:
        return BatchItem(
            id=self._job.id,
            filename=self._job.filename,
            image=piece.image,
            params=request_params(stages, self._job.overrides),
            output=output,
            lineage=lineage or "",
            trace=self._trace,
        )


def label_of(stages: Sequence[Stage]) -> str:
    """Return what stages do, for people: the types of those that travel together."""
    return "+".join(stage.type for stage in stages)


def one_revision(revisions: Iterable[str], *, expected: str) -> str:
    """Return the revision that made several pictures: another than expected if only one was.

    The result is shared under the expected revision, so that no part may be of another.
    """
    return next((name for name in revisions if name and name != expected), expected)


def _pictures_of(attempted: Attempted, *, stages: int) -> PictureReply:
    result = attempted.answer.result
    if not isinstance(result, PictureReply) or len(result.timings_s) != stages:
        raise _garbage("the answer is not that of the stages asked for", attempted)
    return result


def _garbage(detail: str, attempted: Attempted) -> GaveUpError:
    error = JobError(code=InvalidResponseError.code, detail=f"{detail}.")
    return GaveUpError(error, attempted.attempts)
