"""Launchers of tiny replicas, for tests of what makes processes run."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

from dispatcher.pipelines.flattening import flatten
from dispatcher.pipelines.model import StepKey
from dispatcher.pools.client import ReplicaClient
from dispatcher.topology.base import Launcher
from dispatcher.topology.blueprint import records_of
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.environment import LocalLimits
from dispatcher.topology.local import LocalLauncher
from dispatcher.topology.records import RecordDirectory
from dispatcher.topology.status import PipelineStatus
from dispatcher.topology.step_processes import StepProcesses

TINY = (sys.executable, "-S", "-E", str(Path(__file__).with_name("tiny_replica.py")))
WITHIN_S = 20.0
"""How long a few processes may take on a busy machine."""


class Workshop:
    """Makes launchers and closes them."""

    def __init__(self, folder: Path, client: ReplicaClient) -> None:
        self.folder = folder
        self.records = RecordDirectory(folder)
        self.client = client
        self.limits = LocalLimits(
            model_cache_dir=folder / "models", records_dir=folder, max_batch_size=4, command=TINY
        )
        self._closing: list[Callable[[], Any]] = []

    def launcher(self, *built_in: StepRecord) -> LocalLauncher:
        """A launcher that is closed at the end of the test."""
        launcher = LocalLauncher(
            built_in or [default_record()],
            records=self.records,
            client=self.client,
            limits=self.limits,
        )
        self._closing.append(launcher.close)
        return launcher

    def step(self, record: StepRecord) -> StepProcesses:
        """The processes of one step, which are ended at the end of the test."""
        step = StepProcesses(record, records=self.records, client=self.client, limits=self.limits)
        self._closing.append(step.close)
        return step

    def files(self) -> list[str]:
        """The files that are there, by name."""
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []

    async def close(self) -> None:
        for close in reversed(self._closing):
            await close()


def default_record(model: str = "works", *, replicas: int = 1) -> StepRecord:
    """The record of a built-in pipeline of one step."""
    return one_step("default", model, replicas=replicas)


def one_step(pipeline_id: str, model: str = "works", *, replicas: int = 1) -> StepRecord:
    """The record of a pipeline of one step."""
    return StepRecord(
        key=StepKey(pipeline_id, "0"),
        type="classifier",
        steps=({"id": 0, "type": "classifier", "params": {"model": model}},),
        replicas=replicas,
    )


def made(*steps: dict[str, Any], pipeline_id: str = "pipeline-00000001") -> list[StepRecord]:
    """The records of a pipeline as a client makes one; of two steps unless told otherwise."""
    default = ({"type": "blur"}, {"type": "classifier"})
    spec = flatten({"name": "mine", "steps": list(steps or default)})
    return records_of(spec, pipeline_id=pipeline_id, created_at="2025-06-25T11:22:41.523565")


async def status_of(launcher: Launcher, pipeline_id: str) -> PipelineStatus:
    """How one pipeline of a launcher is."""
    found = {pipeline.pipeline_id: pipeline for pipeline in await launcher.pipelines()}
    return found[pipeline_id]


async def environment_at(url: str) -> dict[str, str]:
    """What the process that answers there was told, and its own PID."""
    async with httpx.AsyncClient() as client:
        told: dict[str, str] = (await client.get(f"{url}/environment")).json()
    return told


async def pids_at(urls: Sequence[str]) -> list[int]:
    """The processes that answer there."""
    return [int(told["PID"]) for told in await asyncio.gather(*map(environment_at, urls))]


def is_running(pid: int) -> bool:
    """Say whether a process of this id runs."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
