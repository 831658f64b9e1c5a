"""What becomes of a job whose image the object store has lost, damaged or keeps to itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher.errors import StorageUnavailableError
from dispatcher.jobs import Job, JobState
from dispatcher.pools.client import ReplicaClient
from dispatcher.servers.objects import ObjectStore
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.blobs.holding import digest_of
from tests.dispatcher.blobs.sharing import blobs_over
from tests.dispatcher.execution.belt import IMAGE, Belt, belt
from tests.dispatcher.records import make_job
from tests.dispatcher.servers.connecting import opened
from tests.servers.proxy import TcpProxy
from tests.servers.s3 import S3Server
from tests.servers.s3_faults import Fault, S3Faults

DIGEST = digest_of(IMAGE)


@pytest.fixture
async def objects(tmp_path: Path) -> AsyncIterator[ObjectStore]:
    async with opened(str(tmp_path)) as objects:
        yield objects


async def run(line: Belt) -> Job:
    """Have the image worked on that is in the store, or should be."""
    return await line.executor.run(make_job(digest=DIGEST))


def failure(job: Job) -> str:
    assert job.state is JobState.FAILED
    assert job.error is not None
    return job.error.code


async def test_an_image_is_read_from_where_another_dispatcher_put_it(
    client: ReplicaClient, objects: ObjectStore
) -> None:
    await blobs_over(objects).put(DIGEST, IMAGE)
    async with belt(client, scripted.answer, blobs=blobs_over(objects)) as line:
        job = await run(line)
    assert job.state is JobState.COMPLETED
    assert job.result == {"predictions": ["job-1"], "echo": IMAGE.decode()}


async def test_a_job_whose_image_is_missing_fails_and_no_replica_is_asked(
    client: ReplicaClient, objects: ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    async with belt(client, scripted.answer, blobs=blobs_over(objects)) as line:
        assert failure(await run(line)) == "input_missing"
        assert line.received() == []
    assert "bytes are missing" in caplog.text


@pytest.mark.parametrize("fault", [Fault.ALTERED, Fault.TRUNCATED])
async def test_a_job_whose_image_is_damaged_never_reaches_a_replica(
    client: ReplicaClient, s3_server: S3Server, s3_url: str, fault: Fault
) -> None:
    with S3Faults(s3_server.port) as faults:
        async with opened(s3_url.replace(str(s3_server.port), str(faults.port))) as objects:
            blobs = blobs_over(objects)
            await blobs.put(DIGEST, IMAGE)
            async with belt(client, scripted.answer, blobs=blobs) as line:
                faults.fail(fault, methods=["GET"])
                if fault is Fault.ALTERED:
                    assert failure(await run(line)) == "input_corrupt"
                else:  # seen by its length, so it may be whole another time
                    with pytest.raises(StorageUnavailableError):
                        await run(line)
                assert line.received() == []


async def test_an_image_that_was_cut_off_when_it_was_kept_is_damaged(
    client: ReplicaClient, objects: ObjectStore, tmp_path: Path
) -> None:
    blobs = blobs_over(objects)
    await blobs.put(DIGEST, IMAGE)
    (tmp_path / "blobs" / DIGEST[:2] / DIGEST).write_bytes(IMAGE[:3])
    async with belt(client, scripted.answer, blobs=blobs) as line:
        assert failure(await run(line)) == "input_corrupt"
        assert line.received() == []


async def test_a_job_is_given_back_while_the_store_is_away(
    client: ReplicaClient, s3_server: S3Server, s3_url: str
) -> None:
    with TcpProxy(s3_server.port) as proxy:
        async with opened(s3_url.replace(str(s3_server.port), str(proxy.port))) as objects:
            blobs = blobs_over(objects)
            await blobs.put(DIGEST, IMAGE)
            async with belt(client, scripted.answer, blobs=blobs) as line:
                proxy.refuse()
                with pytest.raises(StorageUnavailableError):
                    await run(line)
                proxy.heal()
                assert (await run(line)).state is JobState.COMPLETED
