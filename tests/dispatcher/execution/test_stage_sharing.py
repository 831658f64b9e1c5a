"""Chains that begin alike: what they have in common is computed once."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.web import StreamResponse

from dispatcher.jobs import Job, JobState, OperationSpec
from dispatcher.pipelines.operations import OPERATIONS_PIPELINE
from dispatcher.pools.client import ReplicaClient
from step_app.contract.frames import BatchItem
from step_app.contract.pictures import RAW_MEDIA_TYPE, PictureReply
from tests.dispatcher import scripted_pictures as pictures
from tests.dispatcher.execution.belt import IMAGE, Belt, belt
from tests.dispatcher.execution.chains import HOSTED, bare, dedicated, operations_pipeline
from tests.dispatcher.records import make_pipeline
from tests.dispatcher.scripted_pictures import painted
from tests.dispatcher.scripted_replica import Request, in_turn, problem_reply, reply_with
from tests.dispatcher.waiting import turns, until

KEY = "k" * 64
RESIZE, SOBEL, BLUR = bare("resize", size="50%"), bare("sobel"), bare("blur")
CORRUPT = reply_with(lambda item: problem_reply(item, 422, "image_corrupt"))


async def run_chain(line: Belt, *operations: OperationSpec, **changes: Any) -> Job:
    known: dict[str, Any] = {"result_key": KEY, "media_type": "image/png"}
    return await line.run(
        pipeline_id=OPERATIONS_PIPELINE, operations=operations, **(known | changes)
    )


def asked_of(line: Belt, step: str = HOSTED) -> list[list[str]]:
    return [
        chain
        for replica in line.replicas[step]
        for chain in pictures.chains_asked(replica.requests)
    ]


async def pictures_of(line: Belt, job: Job) -> list[str]:
    return [(await line.blobs.get(output.digest)).decode() for output in job.outputs]


async def test_a_chain_that_begins_like_an_earlier_one_goes_on_from_there(
    client: ReplicaClient,
) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, SOBEL)
        job = await run_chain(line, RESIZE, BLUR)
        assert asked_of(line) == [["resize", "sobel"], ["blur"]]
        assert await pictures_of(line, job) == ["koala|resize size=50%|blur"]
        reused, made = job.stages
        assert (reused.step_id, reused.type, reused.from_cache) == ("0", "resize", True)
        assert (reused.duration_s, reused.replica, reused.attempts) == (0.0, "", 0)
        assert (made.step_id, made.from_cache, made.attempts) == ("1", False, 1)
        assert job.revision == "r1+r1"


async def test_chains_that_begin_alike_at_once_have_their_beginning_computed_once(
    client: ReplicaClient,
) -> None:
    async with belt(client, pictures.hold_and_paint, pipeline=operations_pipeline()) as line:
        first = asyncio.create_task(run_chain(line, RESIZE, SOBEL))
        await until(line.received)
        others = [asyncio.create_task(run_chain(line, RESIZE, BLUR)) for _ in range(5)]
        await turns(20)
        assert len(line.received()) == 1, "the others wait for it"
        line.replicas[HOSTED][0].released.set()
        jobs = await asyncio.gather(first, *others)
        assert asked_of(line) == [["resize", "sobel"]] + [["blur"]] * 5
        for job in jobs[1:]:
            assert await pictures_of(line, job) == ["koala|resize size=50%|blur"]
            assert [run.from_cache for run in job.stages] == [True, False]


async def test_the_longest_beginning_that_is_known_is_taken(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, SOBEL, BLUR)
        job = await run_chain(line, RESIZE, SOBEL, bare("grayscale"), bare("deblur"))
        assert asked_of(line)[1:] == [["grayscale", "deblur"]]
        assert await pictures_of(line, job) == ["koala|resize size=50%|sobel|grayscale|deblur"]
        assert [run.from_cache for run in job.stages] == [True, True, False, False]
        await run_chain(line, RESIZE, SOBEL, bare("grayscale"), BLUR)
        assert asked_of(line)[2:] == [["blur"]], "what came between is known now, too"


def with_timings(item: BatchItem) -> PictureReply:
    """Pictures of which grayscale, where it is among the steps, tells its times."""
    reply = painted(item)
    if "grayscale" not in [name for name, _ in pictures.operations_of(item)]:
        return reply
    told = [[replace(p, data={"timings": [1]}) for p in g] for g in (reply.pictures, *reply.kept)]
    return replace(reply, pictures=told[0], kept=told[1:])


async def test_what_was_said_of_a_picture_is_known_with_it(client: ReplicaClient) -> None:
    script = pictures.paint_with(with_timings)
    async with belt(client, script, pipeline=operations_pipeline()) as line:
        jobs = [await run_chain(line, bare("grayscale"), last) for last in (SOBEL, BLUR)]
        assert asked_of(line) == [["grayscale", "sobel"], ["blur"]]
        assert [job.outputs[0].data for job in jobs] == [{"timings": [1]}] * 2


async def test_the_last_picture_is_not_shared_by_stages(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        for _ in range(2):
            await run_chain(line, RESIZE, BLUR)
        await run_chain(line, BLUR)
        await run_chain(line, BLUR)
        assert asked_of(line) == [["resize", "blur"], ["blur"], ["blur"], ["blur"]]
        assert line.cache.total_bytes() == len(b"koala|resize size=50%")


@pytest.mark.parametrize(
    "other",
    [
        (bare("resize", size="51%"), BLUR),
        (bare("resize", size="50%", interpolation="area"), BLUR),
        (BLUR, RESIZE),
        (bare("sobel", size="50%"), BLUR),
    ],
    ids=["other value", "one more param", "other order", "other type"],
)
async def test_what_begins_otherwise_shares_nothing(
    client: ReplicaClient, other: tuple[OperationSpec, ...]
) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, SOBEL)
        job = await run_chain(line, *other)
        assert len(asked_of(line)[1]) == 2
        assert not any(run.from_cache for run in job.stages)


async def test_another_picture_shares_nothing(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, SOBEL)
        job = await run_chain(line, RESIZE, BLUR, image=b"drum")
        assert await pictures_of(line, job) == ["drum|resize size=50%|blur"]


async def test_a_job_that_shares_no_result_shares_no_stage(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, SOBEL, result_key=None)
        assert line.cache.total_bytes() == 0
        await run_chain(line, RESIZE, SOBEL)
        await run_chain(line, RESIZE, SOBEL, result_key=None)
        assert asked_of(line) == [["resize", "sobel"]] * 3
        kept = [item.keep for item in items_of(line)]
        assert kept == [False, True, False]


def items_of(line: Belt) -> list[BatchItem]:
    return [i for replica in line.replicas[HOSTED] for r in replica.requests for i in r.items]


async def test_another_revision_shares_nothing(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, SOBEL)
        line.pipelines.replace([operations_pipeline(revision="r2")])
        line.replicas[HOSTED][0].revision = "r2"
        await run_chain(line, RESIZE, BLUR)
        assert asked_of(line) == [["resize", "sobel"], ["resize", "blur"]]


async def test_while_a_revision_is_unknown_nothing_is_shared(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline(revision="")) as line:
        for _ in range(2):
            await run_chain(line, RESIZE, SOBEL)
        assert asked_of(line) == [["resize", "sobel"]] * 2


async def test_pictures_of_another_revision_than_the_stage_s_are_not_kept(
    client: ReplicaClient,
) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        line.replicas[HOSTED][0].revision = "r2"
        first = await run_chain(line, RESIZE, SOBEL)
        assert first.revision == "r2+r2"
        assert line.cache.total_bytes() == 0
        await run_chain(line, RESIZE, SOBEL)
        assert asked_of(line) == [["resize", "sobel"]] * 2


async def test_pipelines_whose_stages_are_equal_share_them(client: ReplicaClient) -> None:
    one = make_pipeline(dedicated("a", "resize", {"size": "50%"}), dedicated("b", "blur"))
    other = make_pipeline(
        replace(one.stages[0], key=replace(one.stages[0].key, pipeline_id="other")),
        dedicated("b", "sobel"),
        pipeline_id="other",
    )
    async with belt(client, pictures.paint, pipeline=one, others=(other,)) as line:
        await line.run(result_key=KEY)
        job = await line.run(result_key=KEY, pipeline_id="other")
        assert [len(asked_of(line, step)) for step in ("default/a", "other/a")] == [1, 0]
        assert [run.from_cache for run in job.stages] == [True, False]
        assert job.revision == "r1+r1", "as if every stage had been asked"


# Failing


async def test_whoever_waited_for_a_beginning_that_failed_computes_it(
    client: ReplicaClient,
) -> None:
    async def refuse_first(request: Request) -> StreamResponse:
        await request.replica.released.wait()
        return await (CORRUPT if request.number == 0 else pictures.paint)(request)

    async with belt(client, refuse_first, pipeline=operations_pipeline()) as line:
        first = asyncio.create_task(run_chain(line, RESIZE, SOBEL))
        await until(line.received)
        second = asyncio.create_task(run_chain(line, RESIZE, BLUR))
        await turns(10)
        line.replicas[HOSTED][0].released.set()
        assert (await first).state is JobState.FAILED
        job = await second
        assert job.state is JobState.COMPLETED
        assert asked_of(line) == [["resize", "sobel"], ["resize", "blur"]]
        assert not any(run.from_cache for run in job.stages)


async def test_whoever_waited_for_a_beginning_that_was_cancelled_computes_it(
    client: ReplicaClient,
) -> None:
    async with belt(client, pictures.hold_and_paint, pipeline=operations_pipeline()) as line:
        first = asyncio.create_task(run_chain(line, RESIZE, SOBEL))
        await until(line.received)
        second = asyncio.create_task(run_chain(line, RESIZE, BLUR))
        await turns(10)
        first.cancel()
        await until(lambda: len(line.received()) == 2)
        line.replicas[HOSTED][0].released.set()
        assert (await second).state is JobState.COMPLETED


async def test_who_waits_for_a_beginning_may_stop_without_harm(client: ReplicaClient) -> None:
    async with belt(client, pictures.hold_and_paint, pipeline=operations_pipeline()) as line:
        first = asyncio.create_task(run_chain(line, RESIZE, SOBEL))
        await until(line.received)
        second = asyncio.create_task(run_chain(line, RESIZE, BLUR))
        await turns(10)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        line.replicas[HOSTED][0].released.set()
        assert (await first).state is JobState.COMPLETED
        await run_chain(line, RESIZE, BLUR)
        assert asked_of(line) == [["resize", "sobel"], ["blur"]]


def without_kept(item: BatchItem) -> PictureReply:
    return replace(painted(item), kept=())


def with_empty_kept(item: BatchItem) -> PictureReply:
    return replace(painted(item), kept=[()] * 2)


def with_too_many_kept(item: BatchItem) -> PictureReply:
    reply = painted(item)
    strange = [pictures.picture(b"strange", RAW_MEDIA_TYPE)]
    return replace(reply, kept=[*reply.kept, strange, strange])


@pytest.mark.parametrize("make", [without_kept, with_empty_kept, with_too_many_kept])
async def test_a_replica_that_keeps_other_pictures_than_asked_spoils_no_other_job(
    client: ReplicaClient, make: Any
) -> None:
    pipeline = operations_pipeline()
    odd = in_turn(pictures.paint_with(make), pictures.paint)
    chain = (RESIZE, SOBEL, bare("blur", tiles=2))
    async with belt(client, odd, pipeline=pipeline) as line:
        await run_chain(line, *chain)
        job = await run_chain(line, RESIZE, SOBEL, bare("grayscale"))
        assert await pictures_of(line, job) == ["koala|resize size=50%|sobel|grayscale"]


async def test_the_image_itself_is_never_taken_for_a_stage(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, SOBEL)
        (item,) = items_of(line)
        assert item.image == IMAGE
