"""What clients may do about pipelines, on real processes and with real discovery."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dispatcher.errors import (
    DrainingError,
    InvalidPipelineError,
    NotFoundError,
    PipelineProtectedError,
    StorageFullError,
    TooManyPipelinesError,
    TooManyReplicasError,
    UnknownPipelineError,
)
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.health import HealthPolicy
from dispatcher.topology.admin import PipelineAdmin
from dispatcher.topology.discovery import follow_records
from dispatcher.topology.local import LocalLauncher
from dispatcher.topology.model_files import ModelFiles
from dispatcher.topology.status import TopologyState
from tests.dispatcher.topology.workshop import WITHIN_S, Workshop
from tests.dispatcher.waiting import until

TWO = {"name": "birds", "steps": [{"type": "blur"}, {"type": "classifier"}]}
THREE = {"steps": [{"type": "blur"}, {"type": "sobel"}, {"type": "classifier"}]}


@dataclass
class Office:
    """An administration and what it works with."""

    launcher: LocalLauncher
    workshop: Workshop
    models: Path
    store: PipelineStore = field(default_factory=PipelineStore)
    max_replicas: int = 8
    drain_timeout_s: float = 5.0
    is_draining: bool = False
    busy: set[str] = field(default_factory=set)
    is_shared = False
    admin: PipelineAdmin = field(init=False)

    def __post_init__(self) -> None:
        self.admin = PipelineAdmin(
            self.launcher,
            store=self.store,
            model_files=ModelFiles(self.models),
            max_replicas=self.max_replicas,
            drain_timeout_s=self.drain_timeout_s,
            is_draining=lambda: self.is_draining,
            work=self,
        )

    def is_idle(self, lane: str) -> bool:
        """No job of a pipeline waits or is in work."""
        return lane not in self.busy

    def route(self, pipeline_id: str) -> list[str]:
        """The steps that pictures of a new job pass."""
        return [stage.key.step_id for stage in self.store.get(pipeline_id).stages]

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Let nothing be written."""

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.workshop.records, "write", fail)
            patch.setattr(self.workshop.records, "remove", fail)
            yield


@pytest.fixture
async def office(
    workshop: Workshop, client: ReplicaClient, tmp_path: Path
) -> AsyncIterator[Office]:
    opened = Office(workshop.launcher(), workshop, tmp_path / "user-models")
    pools = PoolDirectory(client=client, policy=HealthPolicy())
    await opened.launcher.start()
    following = asyncio.create_task(
        follow_records(workshop.records, pipelines=opened.store, pools=pools)
    )
    await until(opened.store.all)
    yield opened
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await pools.close()


# Making


async def test_a_pipeline_can_be_named_in_new_work_as_soon_as_it_is_made(office: Office) -> None:
    changed = await office.admin.create(TWO)
    pipeline_id = changed.pipeline.pipeline_id
    assert office.route(pipeline_id) == office.route("birds") == ["0", "1"]
    assert changed.pipeline.name == "birds"
    assert changed.pipeline.entry.step_id == "0"
    assert {thing.kind for thing in changed.objects} == {"ConfigMap", "Process"}
    assert (await office.admin.get("birds")).pipeline_id == pipeline_id
    assert [pipeline.pipeline_id for pipeline in await office.admin.all()] == [
        "default",
        pipeline_id,
    ]


async def test_a_bad_pipeline_is_refused_whole(office: Office) -> None:
    files = office.workshop.files()
    for document in (
        {"steps": [{"type": "blur"}, {"type": "teleport"}]},
        {"steps": [{"type": "blur"}, {"type": "classifier", "params": {"weights": "/etc/x"}}]},
        {"name": "default", "steps": [{"type": "blur"}]},
    ):
        with pytest.raises(InvalidPipelineError):
            await office.admin.create(document)
    assert office.workshop.files() == files


@pytest.mark.parametrize("name", ["birds", "foreign"])
async def test_a_name_is_given_once(office: Office, name: str) -> None:
    await office.admin.create(TWO)
    foreign = office.workshop.records.read_all()[0]
    office.workshop.records.write(
        type(foreign)(
            key=type(foreign.key)("foreign", "0"),
            type="classifier",
            steps=({"id": 0, "type": "classifier"},),
        )
    )
    await until(lambda: "foreign" in [pipeline.id for pipeline in office.store.all()])
    with pytest.raises(InvalidPipelineError, match=f"there is a pipeline {name} already"):
        await office.admin.create({**TWO, "name": name})


async def test_of_many_who_want_one_name_at_once_one_has_it(office: Office) -> None:
    outcomes = await asyncio.gather(
        *(office.admin.create({**TWO, "name": "same"}) for _ in range(5)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, InvalidPipelineError)]
    assert len(refused) == 4
    assert len(await office.admin.all()) == 2


async def test_no_more_replicas_are_made_than_the_limit_says(office: Office) -> None:
    five = {"steps": [{"type": "blur", "replicas": 5}]}
    first = await office.admin.create(five)
    files = office.workshop.files()
    with pytest.raises(TooManyReplicasError, match="limit is 8"):
        await office.admin.create(five)
    assert office.workshop.files() == files
    pipeline_id = first.pipeline.pipeline_id
    with pytest.raises(TooManyReplicasError, match="limit is 8"):
        await office.admin.change(pipeline_id, "0", {"replicas": 9})
    assert (await office.admin.change(pipeline_id, "0", {"replicas": 8})).replicas.desired == 8


async def test_no_more_pipelines_are_made_than_the_limit_says(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.topology.capacity.MAX_PIPELINES", 1)
    await office.admin.create(TWO)
    with pytest.raises(TooManyPipelinesError):
        await office.admin.create(THREE)


async def test_a_full_disk_is_told_and_nothing_is_left(office: Office) -> None:
    files = office.workshop.files()
    with office.full_disk(), pytest.raises(StorageFullError):
        await office.admin.create(TWO)
    assert office.workshop.files() == files
    assert len(await office.admin.all()) == 1


async def test_a_model_file_is_named_without_its_folder(office: Office) -> None:
    office.models.mkdir()
    (office.models / "own.pt").write_text("weights")
    step = {"type": "classifier", "params": {"weights": "own.pt"}}
    changed = await office.admin.create({"steps": [step]})
    assert changed.pipeline.steps[0].params == {"weights": "own.pt"}
    (stage,) = office.store.get(changed.pipeline.pipeline_id).stages
    assert stage.params == {"weights": str(office.models / "own.pt")}


# Changing


async def test_new_work_takes_the_new_way_as_soon_as_it_is_chosen(office: Office) -> None:
    pipeline_id = (await office.admin.create(THREE)).pipeline.pipeline_id
    step = await office.admin.change(pipeline_id, "0", {"preferred_next": 2})
    assert (step.next_step, step.preferred_next) == ("1", "2")
    assert office.route(pipeline_id) == ["0", "2"]
    await office.admin.change(pipeline_id, "0", {"preferred_next": None})
    assert office.route(pipeline_id) == ["0", "1", "2"]


async def test_what_cannot_be_changed_is_told(office: Office) -> None:
    await office.admin.create(TWO)
    with pytest.raises(UnknownPipelineError):
        await office.admin.change("cats", "0", {"replicas": 2})
    with pytest.raises(NotFoundError, match="it has: 0, 1"):
        await office.admin.change("birds", "2", {"replicas": 2})
    with pytest.raises(InvalidPipelineError, match="step 1: preferred_next"):
        await office.admin.change("birds", "1", {"preferred_next": 0})
    with office.full_disk(), pytest.raises(StorageFullError):
        await office.admin.change("birds", "1", {"replicas": 2})
    assert (await office.admin.get("birds")).steps[1].replicas.desired == 1


async def test_what_is_built_in_may_be_scaled(office: Office) -> None:
    step = await office.admin.change("default", "0", {"replicas": 2})
    assert step.replicas.desired == 2


async def test_a_step_that_is_scaled_by_its_load_stays_within_its_bounds(office: Office) -> None:
    made = await office.admin.create({"steps": [{"type": "blur", "max_replicas": 3}]})
    pipeline_id = made.pipeline.pipeline_id
    for wanted, then in ((9, 3), (2, 2), (0, 1)):
        await office.admin.scale(pipeline_id, "0", wanted)
        (step,) = (await office.admin.get(pipeline_id)).steps
        assert (step.replicas.desired, step.replicas.min, step.replicas.max) == (then, 1, 3)
    await office.admin.scale(pipeline_id, "nothing", 2)
    await office.admin.scale("nobody", "0", 2)
    office.is_draining = True
    await office.admin.scale(pipeline_id, "0", 3)
    assert (await office.admin.get(pipeline_id)).steps[0].replicas.desired == 1


# Deleting


async def test_a_deleted_pipeline_is_gone_at_once_and_for_all(office: Office) -> None:
    created = await office.admin.create(TWO)
    deleted = await office.admin.delete("birds")
    assert list(deleted.objects) == list(created.objects)
    assert office.workshop.files() == ["default-step-0.yaml"]
    for name in ("birds", created.pipeline.pipeline_id):
        with pytest.raises(UnknownPipelineError):
            await office.admin.get(name)
        with pytest.raises(UnknownPipelineError):
            await office.admin.delete(name)
        with pytest.raises(UnknownPipelineError):
            office.store.get(name)
    await office.admin.create(TWO)


async def test_a_pipeline_finishes_its_work_before_it_goes(office: Office) -> None:
    pipeline_id = (await office.admin.create(TWO)).pipeline.pipeline_id
    office.busy.add(pipeline_id)
    deleting = asyncio.create_task(office.admin.delete(pipeline_id))
    async with asyncio.timeout(WITHIN_S):
        while (await office.admin.get("birds")).state is not TopologyState.DELETING:  # noqa: ASYNC110
            await asyncio.sleep(0)
    with pytest.raises(UnknownPipelineError):
        office.store.get("birds")
    assert office.store.find(pipeline_id).id == pipeline_id
    for meanwhile in (
        office.admin.delete("birds"),
        office.admin.change("birds", "0", {"replicas": 2}),
    ):
        with pytest.raises(UnknownPipelineError):
            await meanwhile
    assert not deleting.done()
    office.busy.clear()
    assert (await deleting).pipeline.pipeline_id == pipeline_id


async def test_work_that_never_ends_does_not_keep_a_pipeline(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office.admin, "_drain_timeout_s", 0.1)
    pipeline_id = (await office.admin.create(TWO)).pipeline.pipeline_id
    office.busy.add(pipeline_id)
    async with asyncio.timeout(WITHIN_S):
        await office.admin.delete(pipeline_id)
    assert office.workshop.files() == ["default-step-0.yaml"]


@pytest.mark.parametrize("odd", ["x", "", "*", "pipeline_id=x", "../default", "x" * 10_000])
async def test_what_is_not_there_is_not_deleted(office: Office, odd: str) -> None:
    with pytest.raises(UnknownPipelineError):
        await office.admin.delete(odd)


async def test_what_is_built_in_is_not_deleted(office: Office) -> None:
    with pytest.raises(PipelineProtectedError):
        await office.admin.delete("default")
    assert office.route("default") == ["0"]


async def test_a_deletion_that_the_disk_refused_can_be_tried_again(office: Office) -> None:
    pipeline_id = (await office.admin.create(TWO)).pipeline.pipeline_id
    with office.full_disk(), pytest.raises(StorageFullError, match="try again"):
        await office.admin.delete(pipeline_id)
    with pytest.raises(UnknownPipelineError):
        office.store.get(pipeline_id)
    await office.admin.delete(pipeline_id)
    assert office.workshop.files() == ["default-step-0.yaml"]


async def test_many_at_once_leave_everything_in_order(office: Office) -> None:
    async def live(number: int) -> None:
        name = f"number-{number}"
        await office.admin.create({"name": name, "steps": [{"type": "blur"}]})
        await office.admin.change(name, "0", {"replicas": 2})
        await asyncio.gather(
            office.admin.change(name, "0", {"replicas": 1}),
            office.admin.delete(name),
            return_exceptions=True,
        )

    await asyncio.gather(*(live(number) for number in range(4)))
    assert [pipeline.pipeline_id for pipeline in await office.admin.all()] == ["default"]
    assert office.workshop.files() == ["default-step-0.yaml"]


async def test_nothing_is_changed_while_the_service_ends(office: Office) -> None:
    await office.admin.create(TWO)
    office.is_draining = True
    for wish in (
        office.admin.create(THREE),
        office.admin.change("birds", "0", {"replicas": 2}),
        office.admin.delete("birds"),
    ):
        with pytest.raises(DrainingError):
            await wish
    assert (await office.admin.get("birds")).name == "birds"
