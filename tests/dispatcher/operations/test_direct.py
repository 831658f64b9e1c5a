"""The stores of a service that does not run: what is changed there, the next service finds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.jobs import Job, JobState
from dispatcher.operations.choosing import Choice, open_queue
from dispatcher.operations.target import OperationError
from dispatcher.settings import Settings, load_settings
from dispatcher.storage.directory import open_data_dir
from dispatcher.storage.notice import notice_posted
from dispatcher.wiring import Services, build_services
from tests.dispatcher.intake.submitting import upload
from tests.dispatcher.records import failed, make_pipeline


def settings_of(folder: Path, *flags: str) -> Settings:
    # A port on which nobody listens, so that no other service of this machine is asked.
    return load_settings(["--data-dir", str(folder), "--port", "1", *flags])


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Services]:
    """The stores of a service, as it starts and ends."""
    services = build_services(settings_of(folder))
    services.pipelines.replace([make_pipeline()])
    rooms = (services.queue, services.results, services.blobs)
    assert services.writer is not None
    await services.writer.start()
    for room in rooms:
        await room.start()
    await services.recovery.run()
    yield services
    for room in reversed(rooms):
        await room.close()
    await services.writer.close()


async def submit(services: Services, seed: int) -> Job:
    return await services.intake.submit(upload(seed), SubmitOptions())


async def fail(services: Services, job: Job) -> None:
    lease = await services.queue.reserve(["default"])
    assert lease is not None
    assert lease.job_id == job.id
    ended = failed(job, "poison")
    await services.results.save(ended)
    await services.queue.ack(lease)
    await services.endings.settle(ended)


def choice(folder: Path, *flags: str) -> Choice:
    return Choice(settings_of(folder, *flags), url=None, is_direct=False, api_key=None)


async def test_waiting_jobs_are_purged_while_no_service_runs(tmp_path: Path) -> None:
    async with running(tmp_path) as services:
        jobs = [await submit(services, seed) for seed in (1, 2, 2)]
    async with open_queue(choice(tmp_path)) as target:
        assert target.name == f"the data directory {tmp_path}"
        assert (await target.state()).waiting == 2
        assert (await target.purge({})).purged == 3
    async with running(tmp_path) as services:
        states = {(await services.results.get(job.id)).state for job in jobs}
        assert states == {JobState.CANCELLED}
        assert (services.queue.depth(), services.blobs.total_bytes()) == (0, 0)


async def test_failed_jobs_are_repeated_while_no_service_runs(tmp_path: Path) -> None:
    async with running(tmp_path) as services:
        lost = await submit(services, 1)
        await fail(services, lost)
    for expected in (1, 0):
        async with open_queue(choice(tmp_path)) as target:
            assert (await target.state()).failed == {"poison": 1}
            assert (await target.requeue({"code": "poison"})).requeued == expected
    async with running(tmp_path) as services:
        [again] = await services.results.list_jobs(tenant=None, states={JobState.QUEUED})
        assert (again.requeued_from, services.queue.position(again.id)) == (lost.id, 0)
        assert await services.blobs.get(again.digest)


async def test_a_look_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as services:
        await submit(services, 1)
    async with open_queue(choice(tmp_path)) as target:
        assert (await target.state()).waiting == 1
    async with running(tmp_path) as services:
        assert services.queue.depth() == 1
        assert services.blobs.total_bytes() > 0


async def test_orders_are_read_as_strictly_as_the_api_reads_them(tmp_path: Path) -> None:
    async with running(tmp_path):
        pass
    async with open_queue(choice(tmp_path)) as target:
        with pytest.raises(OperationError, match="invalid_value"):
            await target.purge({"limit": 0})


async def test_two_have_no_stores_open_at_once(tmp_path: Path) -> None:
    async with running(tmp_path):
        pass
    with open_data_dir(tmp_path), pytest.raises(OperationError, match="another dispatcher uses"):
        async with open_queue(choice(tmp_path)):
            pass


async def test_a_service_that_has_gone_without_a_word_is_not_asked(tmp_path: Path) -> None:
    async with running(tmp_path):
        pass
    with notice_posted(tmp_path, url="http://127.0.0.1:1"):
        async with open_queue(choice(tmp_path)) as target:
            assert target.name.startswith("the data directory")


@pytest.mark.parametrize("flags", [(), ("--queue", "memory")], ids=["nothing", "memory"])
async def test_where_there_is_no_queue_none_is_made(tmp_path: Path, flags: tuple[str, ...]) -> None:
    folder = tmp_path / "data"
    with pytest.raises(OperationError, match="no service runs"):
        async with open_queue(choice(folder, *flags)):
            pass
    assert not folder.exists()


async def test_who_names_an_address_gets_nobody_else(tmp_path: Path) -> None:
    async with running(tmp_path):
        pass
    chosen = Choice(settings_of(tmp_path), url="http://127.0.0.1:1", is_direct=False, api_key=None)
    async with open_queue(chosen) as target:
        with pytest.raises(OperationError, match="nobody answers"):
            await target.state()
