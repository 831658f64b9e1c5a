"""What an administration does where its launcher is slow to answer, or may not be used."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from dispatcher.errors import ChangesOffError
from dispatcher.pipelines.store import PipelineStore
from dispatcher.queues.memory import MemoryJobQueue
from dispatcher.topology.admin import PipelineAdmin
from dispatcher.topology.configmap import StepRecord, pipelines_of
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


def admin_of(launcher: LocalLauncher, store: PipelineStore, **options: bool) -> PipelineAdmin:
    return PipelineAdmin(
        launcher,
        store=store,
        model_files=ModelFiles(Path("models")),
        max_replicas=8,
        drain_timeout_s=1.0,
        is_draining=lambda: False,
        work=MemoryJobQueue(capacity=1),
        **options,
    )


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
