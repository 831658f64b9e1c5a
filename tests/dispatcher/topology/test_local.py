"""Pipelines of real processes: what is built in, and what clients make."""

import asyncio

import pytest

from dispatcher.errors import NotFoundError, StartupError, UnknownPipelineError
from dispatcher.pipelines.changes import StepChange
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.local import LocalLauncher
from dispatcher.topology.status import TopologyState
from tests.dispatcher.topology.workshop import (
    WITHIN_S,
    Workshop,
    default_record,
    is_running,
    made,
    one_step,
    pids_at,
    status_of,
)
from tests.dispatcher.waiting import turns

ID = "pipeline-00000001"


async def wait_for(launcher: LocalLauncher, pipeline_id: str, state: TopologyState) -> None:
    async with asyncio.timeout(WITHIN_S):
        while (await status_of(launcher, pipeline_id)).state is not state:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def pids_of(launcher: LocalLauncher, pipeline_id: str) -> list[int]:
    status = await status_of(launcher, pipeline_id)
    return await pids_at([url for step in status.steps for url in step.endpoints])


# Built in


async def test_the_default_pipeline_is_started_and_waited_for(workshop: Workshop) -> None:
    launcher = workshop.launcher(default_record(replicas=2))
    await launcher.start()
    async with asyncio.timeout(WITHIN_S):
        await launcher.wait_ready()
    status = await status_of(launcher, "default")
    assert (status.state, status.name, status.created_at) == (TopologyState.READY, None, None)
    assert status.entry.url in status.steps[0].endpoints
    assert status.entry.process_url == f"{status.entry.url}/process"


async def test_a_launcher_without_built_in_pipelines_is_ready_and_goes_on(
    workshop: Workshop,
) -> None:
    workshop.records.write(default_record())
    launcher = LocalLauncher(
        [], records=workshop.records, client=workshop.client, limits=workshop.limits
    )
    await launcher.start()
    assert workshop.files() == [], "what an earlier one left of the default pipeline is gone"
    async with asyncio.timeout(WITHIN_S):
        await launcher.wait_ready()
    looking_after = asyncio.create_task(launcher.supervise())
    await turns(3)
    assert not looking_after.done()
    looking_after.cancel()
    await launcher.close()


async def test_records_of_what_is_built_in_go_with_their_launcher(workshop: Workshop) -> None:
    launcher = workshop.launcher(default_record(), one_step("operations"))
    await launcher.start()
    assert workshop.files() == ["default-step-0.yaml", "operations-step-0.yaml"]
    await launcher.close()
    assert workshop.files() == []


async def test_the_others_start_when_the_default_pipeline_is_ready(workshop: Workshop) -> None:
    launcher = workshop.launcher(default_record(), one_step("operations"))
    await launcher.start()
    assert (await status_of(launcher, "operations")).steps[0].replicas.running == 0
    await wait_for(launcher, "operations", TopologyState.READY)


async def test_the_others_do_not_wait_for_ever(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.topology.local._HEAD_START_S", 0.05)
    launcher = workshop.launcher(default_record("sleeps"), one_step("operations"))
    await launcher.start()
    await wait_for(launcher, "operations", TopologyState.READY)


@pytest.mark.parametrize("guilty", ["default", "operations"])
async def test_what_is_built_in_and_can_never_start_ends_the_service(
    workshop: Workshop, guilty: str
) -> None:
    models = {name: "refuses" if name == guilty else "works" for name in ("default", "operations")}
    launcher = workshop.launcher(*(one_step(name, model) for name, model in models.items()))
    await launcher.start()
    with pytest.raises(StartupError, match="unknown model 'refuses'"):
        async with asyncio.timeout(WITHIN_S):
            await launcher.supervise()


async def test_who_waits_for_a_default_pipeline_that_can_never_start_is_told(
    workshop: Workshop,
) -> None:
    launcher = workshop.launcher(default_record("refuses"))
    await launcher.start()
    with pytest.raises(StartupError, match="unknown model"):
        async with asyncio.timeout(WITHIN_S):
            await launcher.wait_ready()


async def test_a_record_of_a_launcher_that_was_killed_does_not_stay(workshop: Workshop) -> None:
    workshop.records.write(one_step("operations"))
    foreign = one_step("someone-elses")
    workshop.records.write(foreign)
    await workshop.launcher().start()
    assert workshop.files() == ["default-step-0.yaml", "someone-elses-step-0.yaml"]
    assert foreign in workshop.records.read_all()


async def test_a_folder_that_cannot_be_written_is_told_in_one_line(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(workshop.records, "write", full)
    with pytest.raises(StartupError, match="cannot write the records of pipelines: No space"):
        await workshop.launcher().start()


# Made by clients


async def test_a_pipeline_is_made_with_every_object_named(workshop: Workshop) -> None:
    launcher = workshop.launcher()
    objects = await launcher.create(made({"type": "blur", "replicas": 2}, {"type": "classifier"}))
    assert [(thing.kind, thing.name) for thing in objects] == [
        ("ConfigMap", f"{ID}-step-0"),
        ("Process", f"{ID}-step-0-0"),
        ("Process", f"{ID}-step-0-1"),
        ("ConfigMap", f"{ID}-step-1"),
        ("Process", f"{ID}-step-1-0"),
    ]
    status = await status_of(launcher, ID)
    assert status.name == "mine"
    assert status.entry.url == objects[1].url
    await wait_for(launcher, ID, TopologyState.READY)
    assert (await status_of(launcher, ID)).entry == status.entry


async def test_a_pipeline_that_cannot_be_made_whole_leaves_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = workshop.launcher()
    write = workshop.records.write

    def write_one(record: StepRecord) -> None:
        if record.key.step_id == "1":
            raise OSError(28, "No space left on device")
        write(record)

    monkeypatch.setattr(workshop.records, "write", write_one)
    with pytest.raises(OSError, match="No space"):
        await launcher.create(made())
    assert workshop.files() == []
    assert ID not in [pipeline.pipeline_id for pipeline in await launcher.pipelines()]


async def test_a_removed_pipeline_leaves_neither_process_nor_file(workshop: Workshop) -> None:
    launcher = workshop.launcher()
    created = await launcher.create(made())
    await wait_for(launcher, ID, TopologyState.READY)
    pids = await pids_of(launcher, ID)
    assert len(pids) == 2
    assert await launcher.remove(ID) == created
    assert workshop.files() == []
    assert not any(map(is_running, pids))
    with pytest.raises(UnknownPipelineError):
        await launcher.remove(ID)


async def test_a_pipeline_survives_its_launcher(workshop: Workshop) -> None:
    first = workshop.launcher()
    await first.start()
    await first.create(made())
    await wait_for(first, ID, TopologyState.READY)
    before = await status_of(first, ID)
    await first.close()
    left = {record.key.step_id: record for record in workshop.records.read_all()}
    assert [list(record.endpoints) for record in left.values()] == [[], []]

    second = workshop.launcher()
    await second.start()
    await wait_for(second, ID, TopologyState.READY)
    after = await status_of(second, ID)
    assert (after.name, after.created_at, after.entry) == ("mine", before.created_at, before.entry)
    assert [step.step_id for step in after.steps] == ["0", "1"]


async def test_endpoints_that_a_killed_launcher_left_are_not_believed(workshop: Workshop) -> None:
    for record in made():
        workshop.records.write(
            StepRecord(
                key=record.key,
                type=record.type,
                steps=record.steps,
                endpoints=("http://127.0.0.1:9",),
            )
        )
    await workshop.launcher().start()
    assert [list(record.endpoints) for record in workshop.records.read_all()] == [[], [], []]


async def test_a_damaged_record_does_not_keep_the_service_from_starting(
    workshop: Workshop,
) -> None:
    first, second = made()
    workshop.records.write(second)
    (workshop.folder / f"{first.name}.yaml").write_text("kind: [")
    launcher = workshop.launcher()
    await launcher.start()
    await wait_for(launcher, ID, TopologyState.READY)
    assert [step.step_id for step in (await status_of(launcher, ID)).steps] == ["1"]


async def test_steps_are_taken_up_in_the_order_in_which_pictures_pass(workshop: Workshop) -> None:
    for record in made({"type": "blur", "step_id": "z"}, {"type": "blur", "step_id": "a"}):
        workshop.records.write(record)
    launcher = workshop.launcher()
    await launcher.start()
    assert [step.step_id for step in (await status_of(launcher, ID)).steps] == ["z", "a"]


async def test_a_step_that_can_never_start_ends_nothing_but_itself(workshop: Workshop) -> None:
    launcher = workshop.launcher()
    await launcher.start()
    supervising = asyncio.create_task(launcher.supervise())
    await launcher.create(made({"type": "classifier", "params": {"model": "refuses"}}))
    await wait_for(launcher, ID, TopologyState.FAILED)
    assert (await status_of(launcher, ID)).steps[0].reason == "unknown model 'refuses'"
    assert not supervising.done()
    supervising.cancel()
    await asyncio.gather(supervising, return_exceptions=True)


# Changed by clients


async def test_a_step_is_scaled_and_rerouted_at_once(workshop: Workshop) -> None:
    launcher = workshop.launcher()
    await launcher.create(made({"type": "blur"}, {"type": "sobel"}, {"type": "classifier"}))
    change = StepChange(replicas=2, is_rerouted=True, preferred_next="2")
    await launcher.change(ID, "0", change)
    await wait_for(launcher, ID, TopologyState.READY)
    step = (await status_of(launcher, ID)).steps[0]
    assert (step.replicas.ready, step.next_step, step.preferred_next) == (2, "1", "2")
    for record in workshop.records.read_all():
        assert record.steps[0]["preferred_next"] == "2"


async def test_an_unknown_pipeline_or_step_is_not_changed(workshop: Workshop) -> None:
    launcher = workshop.launcher()
    with pytest.raises(UnknownPipelineError):
        await launcher.change(ID, "0", StepChange(replicas=2))
    with pytest.raises(NotFoundError):
        await launcher.change("default", "1", StepChange(replicas=2))


@pytest.mark.parametrize("written", [0, 1, 2])
async def test_a_change_is_made_whole_or_not_at_all(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    launcher = workshop.launcher()
    await launcher.create(made())
    before = workshop.records.read_all()
    write, left = workshop.records.write, written

    def fail_late(record: StepRecord) -> None:
        nonlocal left
        left -= 1
        if left == -1:
            raise OSError(28, "No space left on device")
        write(record)

    monkeypatch.setattr(workshop.records, "write", fail_late)
    change = StepChange(replicas=2, is_rerouted=True, preferred_next="1")
    with pytest.raises(OSError, match="No space"):
        await launcher.change(ID, "0", change)
    assert [record.steps for record in workshop.records.read_all()] == [r.steps for r in before]
    assert (await status_of(launcher, ID)).steps[0].replicas.desired == 1


async def test_a_step_that_failed_is_tried_again_when_it_is_changed(workshop: Workshop) -> None:
    launcher = workshop.launcher()
    await launcher.create(made({"type": "classifier", "params": {"model": "refuses"}}))
    await wait_for(launcher, ID, TopologyState.FAILED)
    await launcher.change(ID, "0", StepChange(is_rerouted=True))
    assert (await status_of(launcher, ID)).state is TopologyState.STARTING
    await wait_for(launcher, ID, TopologyState.FAILED)
