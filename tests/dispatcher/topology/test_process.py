"""One replica as a real process: started, probed, replaced."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from dispatcher.errors import StartupError
from dispatcher.pools.client import ReplicaClient
from dispatcher.topology.environment import LocalLimits, environment_of
from dispatcher.topology.process import ReplicaProcess
from tests.dispatcher.topology.workshop import (
    TINY,
    WITHIN_S,
    Workshop,
    default_record,
    environment_at,
    is_running,
    pids_at,
)
from tests.dispatcher.waiting import until

Make = Callable[..., ReplicaProcess]


@pytest.fixture
def make(workshop: Workshop, client: ReplicaClient) -> Make:
    def build(model: str = "works", *, port: int | None = None) -> ReplicaProcess:
        return ReplicaProcess(
            name="tiny",
            command=TINY,
            environment=lambda: environment_of(default_record(model), workshop.limits),
            port=port,
            client=client,
            on_change=lambda: None,
        )

    return build


@asynccontextmanager
async def running(process: ReplicaProcess) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(process.run())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_process_runs_until_it_is_no_longer_looked_after(make: Make) -> None:
    process = make()
    assert process.url is None
    async with running(process):
        await until(lambda: process.report, within_s=WITHIN_S)
        assert process.report is not None
        assert (process.report.revision, process.report.max_batch_size) == ("tiny-1", 4)
        assert process.url == process.address
        (pid,) = await pids_at([process.address])
    assert (process.url, process.report) == (None, None)
    assert not is_running(pid)


async def test_the_dispatcher_goes_before_a_replica_where_both_want_a_core(make: Make) -> None:
    process = make()
    async with running(process):
        await until(lambda: process.report, within_s=WITHIN_S)
        (pid,) = await pids_at([process.address])
        assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0)


async def test_a_killed_process_is_started_again_on_the_same_port(make: Make) -> None:
    process = make()
    async with running(process):
        await until(lambda: process.report, within_s=WITHIN_S)
        before, (first,) = process.address, await pids_at([process.address])
        os.kill(first, signal.SIGKILL)
        await until(lambda: process.trouble == "it ended with status -9", within_s=WITHIN_S)
        await until(lambda: process.report, within_s=WITHIN_S)
        assert process.address == before
        assert process.trouble == ""
        assert await pids_at([before]) != [first]


async def test_the_port_that_is_asked_for_is_taken_while_it_is_free(make: Make) -> None:
    asked = make().port
    process = make(port=asked)
    async with running(process):
        await until(lambda: process.report, within_s=WITHIN_S)
        assert process.url == f"http://127.0.0.1:{asked}"


async def test_a_port_that_others_have_taken_is_left_to_them(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        process = make(port=other.getsockname()[1])
        async with running(process):
            await until(lambda: process.report, within_s=WITHIN_S)
            assert process.port != other.getsockname()[1]


async def test_a_process_that_can_never_start_says_why_and_is_given_up(make: Make) -> None:
    with pytest.raises(StartupError, match="unknown model 'refuses'"):
        async with asyncio.timeout(WITHIN_S):
            await make("refuses").run()


async def test_a_process_that_ends_at_once_is_started_again_and_again(make: Make) -> None:
    process = make("dies")
    async with running(process) as task:
        await until(lambda: process.trouble == "it ended with status 1", within_s=WITHIN_S)
        await until(lambda: process.url is not None, within_s=WITHIN_S)
        assert not task.done()


async def test_a_process_that_hangs_is_killed_and_replaced(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.topology.process._LIVENESS_INTERVAL_S", 0.05)
    process = make("hangs")
    async with running(process):
        await until(lambda: process.trouble == "it did not answer", within_s=WITHIN_S)


async def test_a_program_that_is_not_there_does_not_end_the_launcher(client: ReplicaClient) -> None:
    process = ReplicaProcess(
        name="none",
        command=["/there/is/no/such/program"],
        environment=dict,
        port=None,
        client=client,
        on_change=lambda: None,
    )
    async with running(process) as task:
        await until(lambda: process.trouble == "the process could not be started")
        assert not task.done()


async def test_a_replica_is_told_what_a_pod_would_be(make: Make, workshop: Workshop) -> None:
    process = make()
    async with running(process):
        await until(lambda: process.report, within_s=WITHIN_S)
        told = await environment_at(process.address)
    assert told["RECORDS_DIR"] == str(workshop.folder)
    assert told["SERVICE_PORT"] == str(process.port)
    assert (told["MAX_BATCH_SIZE"], told["EXIT_WITH_PARENT"]) == ("4", "1")
    assert '"pipeline_id": "default"' in told["PIPELINE_CONFIG"]


@pytest.mark.parametrize("replicas", [1, 1000])
def test_replicas_share_the_cores(workshop: Workshop, replicas: int) -> None:
    limits: LocalLimits = workshop.limits
    threads = int(environment_of(default_record(replicas=replicas), limits)["STEP_THREADS"])
    assert threads == max(1, len(os.sched_getaffinity(0)) // replicas)
