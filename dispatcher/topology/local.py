"""Replicas as child processes of this one, described by records like in a cluster."""

import asyncio
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dispatcher.pools.client import ReplicaClient
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.process import ReplicaProcess
from dispatcher.topology.records import RecordDirectory

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LocalLimits:
    """What child processes may use."""

    model_cache_dir: Path
    max_batch_size: int


class LocalLauncher:
    """Runs the replicas of one step on this machine and keeps its record true."""

    def __init__(
        self,
        record: StepRecord,
        *,
        records: RecordDirectory,
        client: ReplicaClient,
        limits: LocalLimits,
    ) -> None:
        self._record = record
        self._records = records
        self._processes = [
            ReplicaProcess(
                name=f"{record.key}#{index}",
                environment=_environment(record, limits),
                client=client,
                on_change=self._handle_change,
            )
            for index in range(record.replicas)
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Write the record and start the processes."""
        self._records.write(self._record)
        self._tasks = [asyncio.create_task(process.run()) for process in self._processes]

    async def wait_ready(self) -> str:
        """Wait until every replica is ready; return what they loaded, for people.

        Raises:
            StartupError: a replica says that it can never start.
        """
        while True:
            self._changed.clear()
            for task in self._tasks:
                if task.done():
                    await task
            reports = [process.report for process in self._processes]
            ready = [report for report in reports if report is not None]
            if len(ready) == len(reports):
                return ready[0].description
            changed = asyncio.create_task(self._changed.wait())
            await asyncio.wait([changed, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()

    async def supervise(self) -> None:
        """Wait for as long as every process is supervised.

        Raises:
            StartupError: a replica says that it can never start.
        """
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """End every process and remove the record."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._records.remove(self._record)

    def _handle_change(self, process: ReplicaProcess) -> None:
        reports: Sequence[str] = [p.report.revision for p in self._processes if p.report]
        self._record = replace(
            self._record,
            endpoints=tuple(p.url for p in self._processes if p.url is not None),
            # The revision outlives the processes: a restart gives the same one.
            model_revision=reports[0] if reports else self._record.model_revision,
        )
        try:
            self._records.write(self._record)
        except OSError:
            # The next change writes again; a replica must not end because of a full disk.
            _log.exception("the record %s could not be written", self._record.name)
        self._changed.set()


def _environment(record: StepRecord, limits: LocalLimits) -> Mapping[str, str]:
    config = {
        "pipeline_id": record.key.pipeline_id,
        "step_id": record.key.step_id,
        "steps": [dict(step) for step in record.steps],
    }
    cores = len(os.sched_getaffinity(0))
    return {
        "PIPELINE_CONFIG": json.dumps(config),
        "SERVICE_HOST": "127.0.0.1",
        # Replicas share the cores; more threads than cores only make them wait for each other.
        "STEP_THREADS": str(max(1, cores // record.replicas)),
        "MAX_BATCH_SIZE": str(limits.max_batch_size),
        "MODEL_CACHE_DIR": str(limits.model_cache_dir),
        "EXIT_WITH_PARENT": "1",
    }
