"""The replicas of one step, as real processes, and their record."""

import asyncio
import os
import signal

import pytest

from dispatcher.errors import StartupError
from dispatcher.pipelines.changes import StepChange
from dispatcher.topology.status import TopologyState
from dispatcher.topology.step_processes import StepProcesses
from tests.dispatcher.topology.workshop import (
    WITHIN_S,
    Workshop,
    default_record,
    is_running,
    one_step,
    pids_at,
)
from tests.dispatcher.waiting import until


async def ready(step: StepProcesses, count: int) -> None:
    await until(lambda: step.status().replicas.ready == count, within_s=WITHIN_S)


async def test_the_record_says_what_runs(workshop: Workshop) -> None:
    step = workshop.step(default_record(replicas=2))
    step.write()
    step.start()
    assert step.status().state is TopologyState.STARTING
    await ready(step, 2)
    (record,) = workshop.records.read_all()
    assert record == step.record
    assert list(record.endpoints) == [process.address for process in step.processes]
    assert list(record.ports) == [process.port for process in step.processes]
    assert record.model_revision == "tiny-1"
    status = step.status()
    assert (status.state, status.reason) == (TopologyState.READY, None)
    assert (status.replicas.desired, status.replicas.running) == (2, 2)


async def test_a_closed_step_leaves_its_record_without_endpoints(workshop: Workshop) -> None:
    step = workshop.step(default_record())
    step.start()
    await ready(step, 1)
    pids = await pids_at(step.record.endpoints)
    await step.close()
    (record,) = workshop.records.read_all()
    assert (list(record.endpoints), record.model_revision) == ([], "tiny-1")
    assert not any(map(is_running, pids))
    step.start()
    assert step.status().replicas.running == 0


async def test_a_step_that_starts_again_listens_where_it_did(workshop: Workshop) -> None:
    first = workshop.step(default_record())
    first.start()
    await ready(first, 1)
    await first.close()
    (left,) = workshop.records.read_all()
    again = workshop.step(left)
    assert again.address == first.address


async def test_more_replicas_join_those_that_run(workshop: Workshop) -> None:
    step = workshop.step(default_record())
    step.start()
    await ready(step, 1)
    before = await pids_at(step.record.endpoints)
    step.scale(StepChange(replicas=3))
    assert step.status().replicas.desired == 3
    await ready(step, 3)
    assert set(before) < set(await pids_at(step.record.endpoints))
    assert workshop.records.read_all()[0].replicas == 3


async def test_surplus_replicas_leave_the_record_first_and_end_later(workshop: Workshop) -> None:
    step = workshop.step(default_record(replicas=2))
    step.start()
    await ready(step, 2)
    kept, surplus = step.record.endpoints
    kept_pid, surplus_pid = await pids_at([kept, surplus])
    step.scale(StepChange(replicas=1))
    (record,) = workshop.records.read_all()
    assert list(record.endpoints) == [kept]
    assert is_running(surplus_pid)
    assert step.status().replicas.running == 2
    await until(lambda: step.status().replicas.running == 1, within_s=WITHIN_S)
    assert not is_running(surplus_pid)
    assert is_running(kept_pid)


async def test_a_step_that_is_closed_while_some_leave_ends_them_all(workshop: Workshop) -> None:
    step = workshop.step(default_record(replicas=2))
    step.start()
    await ready(step, 2)
    pids = await pids_at(step.record.endpoints)
    step.scale(StepChange(replicas=1))
    await step.close()
    assert not any(map(is_running, pids))


async def test_a_replica_that_was_killed_degrades_its_step_until_it_is_back(
    workshop: Workshop,
) -> None:
    step = workshop.step(default_record(replicas=2))
    step.start()
    await ready(step, 2)
    addresses = step.record.endpoints
    os.kill((await pids_at(addresses))[0], signal.SIGKILL)
    await until(lambda: step.status().state is TopologyState.DEGRADED, within_s=WITHIN_S)
    assert step.status().reason == "it ended with status -9"
    await until(lambda: step.status().state is TopologyState.READY, within_s=WITHIN_S)
    assert step.record.endpoints == addresses


async def test_a_step_that_can_never_start_says_why_and_is_left_alone(workshop: Workshop) -> None:
    step = workshop.step(default_record("refuses"))
    step.start()
    for wait in (step.wait_ready, step.wait_failed):
        with pytest.raises(StartupError, match="unknown model"):
            async with asyncio.timeout(WITHIN_S):
                await wait()
    status = step.status()
    assert (status.state, status.reason) == (TopologyState.FAILED, "unknown model 'refuses'")
    assert status.replicas.running == 0


async def test_a_refused_step_is_tried_again_when_it_is_scaled(workshop: Workshop) -> None:
    step = workshop.step(default_record("refuses"))
    step.start()
    await until(lambda: step.status().state is TopologyState.FAILED, within_s=WITHIN_S)
    step.record = one_step("default", "works")
    step.scale(StepChange(replicas=1))
    assert step.status().state is TopologyState.STARTING
    await ready(step, 1)


async def test_a_change_that_cannot_be_kept_is_not_made(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = workshop.step(default_record(replicas=2))
    step.start()
    await ready(step, 2)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(workshop.records, "write", full)
    with pytest.raises(OSError, match="No space"):
        step.scale(StepChange(replicas=1))
    with pytest.raises(OSError, match="No space"):
        step.reroute([])
    assert step.status().replicas.desired == 2
    assert len(step.record.endpoints) == 2


async def test_a_full_disk_ends_no_replica_and_the_record_is_mended_by_the_next_change(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = workshop.step(default_record())
    step.write()
    write = workshop.records.write

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(workshop.records, "write", full)
    step.start()
    await ready(step, 1)
    assert not workshop.records.read_all()[0].endpoints
    monkeypatch.setattr(workshop.records, "write", write)
    step.scale(StepChange(replicas=2))
    await ready(step, 2)
    assert workshop.records.read_all() == [step.record]
