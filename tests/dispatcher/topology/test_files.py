"""Replicas that others run: what their files say is told, and nothing is changed."""

from pathlib import Path

import pytest

from dispatcher.errors import ChangesOffError
from dispatcher.pipelines.changes import StepChange
from dispatcher.topology.files import FileLauncher
from dispatcher.topology.records import RecordDirectory
from dispatcher.topology.status import TopologyState
from tests.dispatcher.topology.test_configmap import make_record

URLS = ("http://step-1:5000", "http://step-2:5000")


@pytest.fixture
def records(tmp_path: Path) -> RecordDirectory:
    directory = RecordDirectory(tmp_path)
    directory.write(make_record(endpoints=URLS))
    return directory


@pytest.mark.parametrize(
    ("ready", "state"), [(0, TopologyState.STARTING), (1, TopologyState.STARTING), (2, "ready")]
)
async def test_the_replicas_are_those_of_the_files(
    records: RecordDirectory, ready: int, state: TopologyState
) -> None:
    (pipeline,) = await FileLauncher(records, count_ready=lambda _: ready).pipelines()
    (step,) = pipeline.steps
    assert (step.replicas.desired, step.replicas.ready, step.endpoints) == (2, ready, URLS)
    assert (pipeline.state, pipeline.entry.process_url) == (state, f"{URLS[0]}/process")


async def test_a_step_that_has_no_replica_is_told_of(tmp_path: Path) -> None:
    records = RecordDirectory(tmp_path)
    records.write(make_record(endpoints=()))
    (pipeline,) = await FileLauncher(records, count_ready=lambda _: 0).pipelines()
    assert (pipeline.steps[0].replicas.desired, pipeline.entry.url) == (0, "")


async def test_only_who_writes_the_files_changes_them(records: RecordDirectory) -> None:
    launcher, before = FileLauncher(records, count_ready=lambda _: 2), records.read_all()
    with pytest.raises(ChangesOffError):
        await launcher.create([make_record()])
    with pytest.raises(ChangesOffError):
        await launcher.change("default", "0", StepChange(replicas=3))
    with pytest.raises(ChangesOffError):
        await launcher.remove("default")
    assert records.read_all() == before
