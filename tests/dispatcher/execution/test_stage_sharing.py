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
from step_app.contract.pictures import PictureReply
from tests.dispatcher import scripted_pictures as pictures
from tests.dispatcher.execution.belt import Belt, belt
from tests.dispatcher.execution.chains import HOSTED, bare, dedicated, operations_pipeline
from tests.dispatcher.records import make_pipeline
from tests.dispatcher.scripted_pictures import painted
from tests.dispatcher.scripted_replica import Request, problem_reply, reply_with
from tests.dispatcher.waiting import turns, until

KEY = "k" * 64
RESIZE, SOBEL, BLUR = bare("resize", size="50%"), bare("sobel"), bare("blur")
CORRUPT = reply_with(lambda item: problem_reply(item, 422, "image_corrupt"))
TWO_POOLS = make_pipeline(dedicated("a", "resize", {"size": "50%"}), dedicated("b", "blur"))
OTHER_END = make_pipeline(
    replace(TWO_POOLS.stages[0], key=replace(TWO_POOLS.stages[0].key, pipeline_id="other")),
    dedicated("b", "sobel"),
    pipeline_id="other",
)
"""Begins like the first, in a pool of its own."""


async def run_chain(line: Belt, *operations: OperationSpec, **changes: Any) -> Job:
    known: dict[str, Any] = {"result_key": KEY, "media_type": "image/png"}
    return await line.run(
        pipeline_id=OPERATIONS_PIPELINE, operations=operations, **(known | changes)
    )


def computed_by(line: Belt, step: str = HOSTED) -> list[list[str]]:
    """The operations that were run, chain by chain; those done before are left out."""
    return [chain for replica in line.replicas[step] for chain in replica.computed]


def items_of(line: Belt) -> list[BatchItem]:
    return [i for replica in line.replicas[HOSTED] for r in replica.requests for i in r.items]


def chains_at_each(line: Belt) -> list[int]:
    return [len(replica.requests) for replica in line.replicas[HOSTED]]


async def pictures_of(line: Belt, job: Job) -> list[str]:
    return [(await line.blobs.get(output.digest)).decode() for output in job.outputs]


# In the pool that runs all cheap types


async def test_a_chain_that_begins_like_an_earlier_one_goes_on_from_there(
    client: ReplicaClient,
) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, SOBEL)
        job = await run_chain(line, RESIZE, BLUR)
        assert computed_by(line) == [["resize", "sobel"], ["blur"]]
        assert await pictures_of(line, job) == ["koala|resize size=50%|blur"]
        (replica,) = line.replicas[HOSTED]
        reused, made = job.stages
        assert (reused.step_id, reused.type, reused.from_cache) == ("0", "resize", True)
        assert (reused.duration_s, reused.replica) == (0.0, replica.url)
        assert (made.step_id, made.from_cache, made.attempts) == ("1", False, 1)
        assert job.revision == "r1+r1"


async def test_it_goes_to_the_replica_that_has_its_beginning(client: ReplicaClient) -> None:
    async with belt(client, *[pictures.paint] * 3, pipeline=operations_pipeline()) as line:
        for last in (SOBEL, BLUR, bare("grayscale"), bare("deblur")):
            await run_chain(line, RESIZE, last)
        assert sorted(chains_at_each(line)) == [0, 0, 4]
        await run_chain(line, BLUR, SOBEL)
        assert sorted(chains_at_each(line)) == [0, 1, 4], "others go where there is less to do"


async def test_chains_that_begin_alike_at_once_have_their_beginning_computed_once(
    client: ReplicaClient,
) -> None:
    scripts = [pictures.hold_and_paint] * 2
    async with belt(client, *scripts, pipeline=operations_pipeline()) as line:
        first = asyncio.create_task(run_chain(line, RESIZE, SOBEL))
        await until(line.received)
        others = [asyncio.create_task(run_chain(line, RESIZE, BLUR)) for _ in range(5)]
        await turns(20)
        assert len(line.received()) == 1, "the others wait for it"
        for replica in line.replicas[HOSTED]:
            replica.released.set()
        jobs = await asyncio.gather(first, *others)
        assert computed_by(line) == [["resize", "sobel"]] + [["blur"]] * 5
        for job in jobs[1:]:
            assert await pictures_of(line, job) == ["koala|resize size=50%|blur"]
            assert [run.from_cache for run in job.stages] == [True, False]


async def test_the_longest_beginning_that_is_known_is_taken(client: ReplicaClient) -> None:
    async with belt(client, *[pictures.paint] * 2, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, BLUR)
        job = await run_chain(line, RESIZE, BLUR, SOBEL)
        assert [run.from_cache for run in job.stages] == [True, False, False]
        job = await run_chain(line, RESIZE, BLUR, bare("grayscale"), bare("deblur"))
        assert computed_by(line)[2:] == [["grayscale", "deblur"]]
        assert await pictures_of(line, job) == ["koala|resize size=50%|blur|grayscale|deblur"]
        assert [run.from_cache for run in job.stages] == [True, True, False, False]


async def test_when_its_replica_is_gone_another_one_runs_the_whole_chain(
    client: ReplicaClient,
) -> None:
    async with belt(client, *[pictures.paint] * 2, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, SOBEL)
        left = next(r for r in line.replicas[HOSTED] if not r.requests)
        line.pools.apply({HOSTED: [left.url]})
        job = await run_chain(line, RESIZE, BLUR)
        assert left.computed == [["resize", "blur"]]
        assert not any(run.from_cache for run in job.stages)
        assert {run.replica for run in job.stages} == {left.url}
        await run_chain(line, RESIZE, bare("grayscale"))
        assert left.computed[1:] == [["grayscale"]], "which has the beginning from then on"


async def test_a_replica_that_lost_a_picture_makes_it_again(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, SOBEL)
        line.replicas[HOSTED][0].kept.clear()
        job = await run_chain(line, RESIZE, BLUR)
        assert computed_by(line)[1:] == [["resize", "blur"]]
        assert [run.from_cache for run in job.stages] == [False, False]


async def test_the_last_picture_is_not_shared_by_stages(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        for _ in range(2):
            await run_chain(line, RESIZE, BLUR)
        for _ in range(2):
            await run_chain(line, BLUR)
        assert computed_by(line) == [["resize", "blur"], ["blur"], ["blur"], ["blur"]]
        assert [bool(item.lineage) for item in items_of(line)] == [True, True, False, False]


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
    async with belt(client, *[pictures.paint] * 2, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, SOBEL)
        job = await run_chain(line, *other)
        assert [len(chain) for chain in computed_by(line)] == [2, 2]
        assert not any(run.from_cache for run in job.stages)
        assert chains_at_each(line) == [1, 1]


async def test_another_picture_shares_nothing(client: ReplicaClient) -> None:
    async with belt(client, *[pictures.paint] * 2, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, SOBEL)
        job = await run_chain(line, RESIZE, BLUR, image=b"drum")
        assert await pictures_of(line, job) == ["drum|resize size=50%|blur"]
        assert chains_at_each(line) == [1, 1]
        assert len({item.lineage for item in items_of(line)}) == 2


async def test_a_job_that_shares_no_result_shares_no_stage(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, SOBEL, result_key=None)
        assert line.cache.total_bytes() == 0
        await run_chain(line, RESIZE, SOBEL)
        await run_chain(line, RESIZE, SOBEL, result_key=None)
        assert computed_by(line) == [["resize", "sobel"]] * 3
        assert [bool(item.lineage) for item in items_of(line)] == [False, True, False]


async def test_a_job_that_shares_nothing_waits_for_nobody(client: ReplicaClient) -> None:
    async with belt(client, pictures.hold_and_paint, pipeline=operations_pipeline()) as line:
        sharing = asyncio.create_task(run_chain(line, RESIZE, SOBEL))
        await until(line.received)
        alone = asyncio.create_task(run_chain(line, RESIZE, BLUR, result_key=None))
        await until(lambda: len(line.received()) == 2)
        line.replicas[HOSTED][0].released.set()
        await asyncio.gather(sharing, alone)


async def test_another_revision_shares_nothing(client: ReplicaClient) -> None:
    async with belt(client, *[pictures.paint] * 2, pipeline=operations_pipeline()) as line:
        await run_chain(line, RESIZE, SOBEL)
        line.pipelines.replace([operations_pipeline(revision="r2")])
        await run_chain(line, RESIZE, BLUR)
        assert chains_at_each(line) == [1, 1]


async def test_while_a_revision_is_unknown_nothing_is_shared(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline(revision="")) as line:
        for _ in range(2):
            await run_chain(line, RESIZE, SOBEL)
        assert computed_by(line) == [["resize", "sobel"]] * 2
        assert not any(item.lineage for item in items_of(line))


async def test_what_another_revision_than_the_stage_s_made_is_not_known(
    client: ReplicaClient,
) -> None:
    async with belt(client, *[pictures.paint] * 2, pipeline=operations_pipeline()) as line:
        for replica in line.replicas[HOSTED]:
            replica.revision = "r2"
        first = await run_chain(line, RESIZE, SOBEL)
        assert first.revision == "r2+r2"
        assert line.cache.total_bytes() == 0
        await run_chain(line, RESIZE, SOBEL)
        assert chains_at_each(line) == [1, 1]


# In pools of their own


async def test_pipelines_whose_stages_are_equal_share_them(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=TWO_POOLS, others=(OTHER_END,)) as line:
        await line.run(result_key=KEY)
        job = await line.run(result_key=KEY, pipeline_id="other")
        assert [len(computed_by(line, step)) for step in ("default/a", "other/a")] == [1, 0]
        reused, made = job.stages
        assert (reused.from_cache, reused.replica, reused.attempts) == (True, "", 0)
        assert (made.from_cache, made.attempts) == (False, 1)
        assert job.revision == "r1+r1", "as if every stage had been asked"
        assert line.cache.total_bytes() == len(b"koala|own")


async def test_what_was_said_of_a_picture_is_known_with_it(client: ReplicaClient) -> None:
    def tell(item: BatchItem) -> PictureReply:
        reply = painted(item)
        return replace(reply, pictures=[replace(reply.pictures[0], data={"timings": [1]})])

    async with belt(client, pictures.paint, pipeline=TWO_POOLS, others=(OTHER_END,)) as line:
        line.replicas["default/a"][0].script = pictures.paint_with(tell)
        jobs = [await line.run(result_key=KEY, pipeline_id=name) for name in ("default", "other")]
        assert [job.outputs[0].data for job in jobs] == [{"timings": [1]}] * 2
        assert jobs[1].stages[0].from_cache


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
        assert len(line.received()) == 1
        line.replicas[HOSTED][0].released.set()
        assert (await first).state is JobState.FAILED
        job = await second
        assert job.state is JobState.COMPLETED
        assert computed_by(line) == [["resize", "blur"]]
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
        assert computed_by(line) == [["resize", "sobel"], ["blur"]]
