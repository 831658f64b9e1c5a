"""What every ``Launcher`` promises."""

import asyncio

import pytest

from dispatcher.errors import NotFoundError, RequestError, UnknownPipelineError
from dispatcher.pipelines.changes import StepChange
from dispatcher.topology.base import Launcher
from dispatcher.topology.configmap import pipelines_of
from dispatcher.topology.status import PipelineStatus, TopologyState
from tests.dispatcher.topology.contract.following import following
from tests.dispatcher.topology.contract.homes import Home
from tests.dispatcher.topology.workshop import WITHIN_S, made, status_of
from tests.dispatcher.waiting import until

ID = "pipeline-00000001"
NAMES = [f"{ID}-step-0", f"{ID}-step-1"]


async def in_state(launcher: Launcher, state: TopologyState) -> PipelineStatus:
    async with asyncio.timeout(WITHIN_S):
        while (status := await status_of(launcher, ID)).state is not state:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return status


async def test_there_is_nothing_at_first(home: Home) -> None:
    assert await home.launcher.pipelines() == []


async def test_a_pipeline_is_made_and_gets_ready(home: Home) -> None:
    objects = await home.launcher.create(made({"type": "blur", "replicas": 2}, {"type": "sobel"}))
    assert [thing.name for thing in objects if thing.kind == "ConfigMap"] == NAMES
    status = await in_state(home.launcher, TopologyState.READY)
    assert (status.name, status.created_at) == ("mine", "2025-06-25T11:22:41.523565")
    assert [(step.step_id, step.type, step.next_step) for step in status.steps] == [
        ("0", "blur", "1"),
        ("1", "sobel", None),
    ]
    assert [len(step.endpoints) for step in status.steps] == [2, 1]
    assert [(step.replicas.desired, step.replicas.ready) for step in status.steps] == [
        (2, 2),
        (1, 1),
    ]
    assert status.entry.step_id == "0"
    assert status.entry.process_url == f"{status.entry.url}/process"


async def test_several_pipelines_do_not_mix(home: Home) -> None:
    await home.launcher.create(made())
    other = "pipeline-00000002"
    await home.launcher.create(made({"type": "sobel"}, pipeline_id=other))
    await home.launcher.remove(ID)
    assert [status.pipeline_id for status in await home.launcher.pipelines()] == [other]
    assert home.left_of(other)


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
async def test_a_step_is_scaled(home: Home, before: int, after: int) -> None:
    await home.launcher.create(made({"type": "blur", "replicas": before}))
    await in_state(home.launcher, TopologyState.READY)
    await home.launcher.change(ID, "0", StepChange(replicas=after))
    async with asyncio.timeout(WITHIN_S):
        while True:
            (step,) = (await status_of(home.launcher, ID)).steps
            if step.replicas.ready == step.replicas.running == after:
                break
            await asyncio.sleep(0.02)
    assert step.replicas.desired == after
    assert len(step.endpoints) == after


async def test_pictures_are_sent_elsewhere(home: Home) -> None:
    await home.launcher.create(made({"type": "blur"}, {"type": "sobel"}, {"type": "sobel"}))
    await home.launcher.change(ID, "0", StepChange(is_rerouted=True, preferred_next="2"))
    status = await status_of(home.launcher, ID)
    assert [step.preferred_next for step in status.steps] == ["2", None, None]


async def test_what_does_not_exist_cannot_be_changed(home: Home) -> None:
    with pytest.raises(UnknownPipelineError):
        await home.launcher.change("pipeline-0000dead", "0", StepChange(replicas=2))
    await home.launcher.create(made())
    with pytest.raises(NotFoundError, match=r"it has: 0, 1\."):
        await home.launcher.change(ID, "7", StepChange(replicas=2))


async def test_what_is_leaving_is_found_so_and_runs_on(home: Home) -> None:
    """None accepts what soon nobody would do, and all finish what they have."""
    await home.launcher.create(made({"type": "blur"}, {"type": "sobel"}))
    await in_state(home.launcher, TopologyState.READY)
    async with following(home.discovery) as seen:
        await home.launcher.change(ID, "1", StepChange(is_leaving=True))
        await seen.until(lambda: [step.is_leaving for step in seen.snapshots[-1]] == [True, True])
        (pipeline,) = pipelines_of(seen.snapshots[-1])
        assert pipeline.is_leaving
        status = await status_of(home.launcher, ID)
        assert status.state is TopologyState.DELETING
        assert [len(step.endpoints) for step in status.steps] == [1, 1]
        await home.launcher.remove(ID)
        await seen.until(lambda: not seen.names)


async def test_of_what_is_removed_nothing_is_left(home: Home) -> None:
    await home.launcher.create(made())
    await in_state(home.launcher, TopologyState.READY)
    objects = await home.launcher.remove(ID)
    assert [thing.name for thing in objects if thing.kind == "ConfigMap"] == NAMES
    await until(lambda: not home.left_of(ID))
    assert await home.launcher.pipelines() == []
    with pytest.raises(UnknownPipelineError):
        await home.launcher.remove(ID)


async def test_what_was_removed_can_be_made_again(home: Home) -> None:
    await home.launcher.create(made())
    await home.launcher.remove(ID)
    await home.launcher.create(made())
    await in_state(home.launcher, TopologyState.READY)


async def test_a_pipeline_that_cannot_be_made_leaves_nothing(home: Home) -> None:
    home.fail_next_creation()
    async with following(home.discovery) as seen:
        with pytest.raises((OSError, RequestError)):
            await home.launcher.create(made())
        await until(lambda: not home.left_of(ID))
        assert await home.launcher.pipelines() == []
        await home.launcher.create(made())
        await seen.until(lambda: seen.names == NAMES)


async def test_a_request_that_is_broken_off_leaves_nothing(home: Home) -> None:
    """Whatever was made by then: many moments of the way are tried, up to its end."""
    turns, is_made = 0, False
    while not is_made:
        making = asyncio.create_task(home.launcher.create(made()))
        for _ in range(turns):
            await asyncio.sleep(0)
        is_made = making.done()
        making.cancel()
        (result,) = await asyncio.gather(making, return_exceptions=True)
        if not is_made:
            assert isinstance(result, asyncio.CancelledError)
            await until(lambda: not home.left_of(ID))
        turns = turns * 3 // 2 + 1
    await home.launcher.remove(ID)


async def test_a_new_dispatcher_finds_what_clients_made(home: Home) -> None:
    await home.launcher.create(made({"type": "blur", "replicas": 2}, {"type": "sobel"}))
    before = await in_state(home.launcher, TopologyState.READY)
    await home.reopen()
    after = await in_state(home.launcher, TopologyState.READY)
    assert (after.name, after.created_at) == (before.name, before.created_at)
    assert [step.replicas.desired for step in after.steps] == [2, 1]
    assert after.entry == before.entry
    await home.launcher.remove(ID)
    await until(lambda: not home.left_of(ID))


async def test_replicas_that_can_never_start_say_why(home: Home) -> None:
    await home.launcher.create(home.doom(made({"type": "classifier"})))
    status = await in_state(home.launcher, TopologyState.FAILED)
    assert status.steps[0].reason == "unknown model 'refuses'"
    await home.launcher.remove(ID)
    await until(lambda: not home.left_of(ID))
