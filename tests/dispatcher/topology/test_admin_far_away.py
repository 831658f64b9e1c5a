"""What an administration does where its launcher is slow, or may not be used, and beside others."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import ChangesOffError, UnknownPipelineError
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.health import HealthPolicy
from dispatcher.queues.memory import MemoryJobQueue
from dispatcher.topology.admin import PipelineAdmin
from dispatcher.topology.configmap import StepRecord, pipelines_of
from dispatcher.topology.discovery import follow_records
from dispatcher.topology.local import LocalLauncher
from dispatcher.topology.model_files import ModelFiles
from dispatcher.topology.status import PipelineStatus, TopologyObject
from tests.dispatcher.topology.workshop import Workshop, made
from tests.dispatcher.waiting import until


class CountingLauncher(LocalLauncher):
    """Makes records without processes, and counts how often it is asked."""

    def __init__(self, workshop: Workshop) -> None:
        super().__init__(
            [], records=workshop.records, client=workshop.client, limits=workshop.limits
        )
        self.asked = 0
        self.made: Sequence[StepRecord] = ()

    async def create(self, records: Sequence[StepRecord]) -> Sequence[TopologyObject]:
        self.made = records
        return await super().create(records)

    async def pipelines(self) -> Sequence[PipelineStatus]:
        self.asked += 1
        return await super().pipelines()


@dataclass
class SharedWork:
    """The jobs of several dispatchers."""

    is_done: bool = False
    is_shared = True

    def is_idle(self, lane: str) -> bool:
        return self.is_done


def admin_of(launcher: LocalLauncher, store: PipelineStore, **options: Any) -> PipelineAdmin:
    settings: dict[str, Any] = {
        "model_files": ModelFiles(Path("models")),
        "max_replicas": 8,
        "drain_timeout_s": 1.0,
        "is_draining": lambda: False,
        "work": MemoryJobQueue(capacity=1),
    }
    return PipelineAdmin(launcher, store=store, **(settings | options))


async def test_the_launcher_is_not_asked_all_the_time_until_discovery_follows(
    workshop: Workshop,
) -> None:
    launcher, store = CountingLauncher(workshop), PipelineStore()
    began = time.monotonic()
    making = asyncio.create_task(admin_of(launcher, store).create({"steps": [{"type": "blur"}]}))
    await until(lambda: launcher.asked == 3)
    # Once before it makes anything, once after, and then every half second.
    assert time.monotonic() - began >= 0.5
    assert not making.done()
    store.replace(pipelines_of(launcher.made))
    await making
    await launcher.close()


async def test_where_changes_are_off_pipelines_can_only_be_looked_at(workshop: Workshop) -> None:
    launcher = CountingLauncher(workshop)
    await launcher.create(made())
    admin = admin_of(launcher, PipelineStore(), may_change=False)
    for wish in (
        admin.create({"steps": [{"type": "blur"}]}),
        admin.change("mine", "0", {"replicas": 2}),
        admin.delete("mine"),
    ):
        with pytest.raises(ChangesOffError):
            await wish
    (found,) = await admin.all()
    assert [step.replicas.desired for step in found.steps] == [1, 1]
    await launcher.close()


async def test_no_other_dispatcher_accepts_work_for_what_is_being_deleted(
    workshop: Workshop,
) -> None:
    launcher, work = CountingLauncher(workshop), SharedWork()
    await launcher.create(made())
    other = PipelineStore()
    pools = PoolDirectory(client=workshop.client, policy=HealthPolicy())
    following = asyncio.create_task(follow_records(workshop.records, pipelines=other, pools=pools))
    await until(other.all)
    (pipeline,) = other.all()
    admin = admin_of(launcher, PipelineStore(), work=work, drain_timeout_s=60.0)
    deleting = asyncio.create_task(admin.delete("mine"))
    await until(lambda: not other.all())
    with pytest.raises(UnknownPipelineError):
        other.get("mine")
    assert other.find(pipeline.id).id == pipeline.id, "it finishes what it has"
    assert not deleting.done()
    work.is_done = True
    await deleting
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await pools.close()
    await launcher.close()
