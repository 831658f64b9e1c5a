"""The replicas of one step on this machine, and the record that says where they are."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from dispatcher.pipelines.changes import StepChange
from dispatcher.pools.client import ReplicaClient
from dispatcher.topology.blueprint import StepDocuments, bounds_of, scaled
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.environment import LocalLimits, environment_of
from dispatcher.topology.process import ReplicaProcess
from dispatcher.topology.records import RecordDirectory
from dispatcher.topology.status import ReplicaCounts, StepStatus, step_status

_log = logging.getLogger(__name__)
_NOTICE_S: Final = 0.5
"""How long a replica still works after its endpoint left the record: discovery looks at changes
every 0.2 s, and a replica that forwards to it may hold the older record as long."""


class StepProcesses:
    """Keeps as many replicas running as the record wants, and the record true."""

    def __init__(
        self,
        record: StepRecord,
        *,
        records: RecordDirectory,
        client: ReplicaClient,
        limits: LocalLimits,
    ) -> None:
        self.record = replace(record, endpoints=())
        self._records = records
        self._client = client
        self._limits = limits
        self._processes: list[ReplicaProcess] = []
        self._tasks: dict[ReplicaProcess, asyncio.Task[None]] = {}
        self._leaving: dict[asyncio.Task[None], int] = {}
        """How many processes each task is ending."""
        self._changed = asyncio.Event()
        self._is_closed = False
        self._is_record_stale = False
        while len(self._processes) < record.replicas:
            self._add()

    def write(self) -> None:
        """Write the record.

        Raises:
            OSError: it could not be written; the older one stands.
        """
        self._records.write(self.record)

    def start(self) -> None:
        """Start the processes that do not run yet."""
        for process in self._processes:
            if process not in self._tasks and not self._is_closed:
                task = asyncio.create_task(process.run())
                task.add_done_callback(self._handle_end)
                self._tasks[process] = task

    def scale(self, change: StepChange) -> None:
        """Have as many replicas as a change says; those that were refused are tried again.

        Surplus ones leave the record at once, and end when that was noticed and their work done.

        Raises:
            OSError: the record could not be written, and nothing has changed.
        """
        wanted = scaled(self.record, change)
        replicas = wanted.replicas
        self._rewrite(wanted)
        for number, process in enumerate(self._processes):
            if self._is_refused(process):
                del self._tasks[process]
                self._processes[number] = self._create(number)
        surplus = self._processes[replicas:]
        del self._processes[replicas:]
        while len(self._processes) < replicas:
            self._add()
        self._refresh_record()
        self.start()
        self._dismiss(surplus)

    def reroute(self, steps: StepDocuments) -> None:
        """Take what the pipeline's steps are from now on.

        Raises:
            OSError: the record could not be written, and nothing has changed.
        """
        self._rewrite(replace(self.record, steps=steps))

    def leave(self) -> None:
        """Say in the record that the pipeline takes no new work.

        Raises:
            OSError: the record could not be written, and nothing has changed.
        """
        self._rewrite(replace(self.record, is_leaving=True))

    async def wait_ready(self) -> str:
        """Wait until every replica is ready; return what they loaded, for people.

        Raises:
            StartupError: a replica says that it can never start.
        """
        while True:
            self._changed.clear()
            self._raise_failure()
            reports = [process.report for process in self._processes]
            ready = [report for report in reports if report is not None]
            if ready and len(ready) == len(reports):
                return ready[0].description
            await self._changed.wait()

    async def wait_failed(self) -> None:
        """Wait for as long as every replica is looked after.

        Raises:
            StartupError: a replica says that it can never start.
        """
        while True:
            self._changed.clear()
            self._raise_failure()
            await self._changed.wait()

    async def close(self) -> None:
        """End every process, each when it has done its work; the record stays."""
        self._is_closed = True
        await _end(self._tasks.values())
        if self._leaving:
            await asyncio.wait(self._leaving)

    def remove_record(self) -> None:
        """Remove the record.

        Raises:
            OSError: it is still there.
        """
        self._records.remove(self.record)

    @property
    def address(self) -> str:
        """Return where the first replica answers while it runs."""
        return self._processes[0].address

    @property
    def processes(self) -> Sequence[ReplicaProcess]:
        """The replicas that there shall be."""
        return self._processes

    def status(self) -> StepStatus:
        """Return what is wanted and what runs."""
        bounds = bounds_of(self.record)
        counts = ReplicaCounts(
            desired=self.record.replicas,
            running=sum(process.url is not None for process in self._processes)
            + sum(self._leaving.values()),
            ready=sum(process.report is not None for process in self._processes),
            min=bounds.min,
            max=bounds.max,
        )
        failure = self._failure()
        troubles = [process.trouble for process in self._processes if process.trouble]
        return step_status(
            self.record,
            counts,
            endpoints=self.record.endpoints,
            is_refused=failure is not None,
            trouble=str(failure) if failure is not None else next(iter(troubles), None),
        )

    def _add(self) -> None:
        self._processes.append(self._create(len(self._processes)))

    def _create(self, number: int) -> ReplicaProcess:
        ports = self.record.ports
        return ReplicaProcess(
            name=f"{self.record.name}-{number}",
            command=self._limits.command,
            environment=lambda: environment_of(self.record, self._limits),
            port=ports[number] if number < len(ports) else None,
            client=self._client,
            on_change=self._handle_change,
        )

    def _dismiss(self, surplus: list[ReplicaProcess]) -> None:
        tasks = [self._tasks.pop(process) for process in surplus if process in self._tasks]
        if tasks:
            leaving = asyncio.create_task(_end_later(tasks))
            self._leaving[leaving] = len(tasks)
            leaving.add_done_callback(self._leaving.pop)

    def _handle_change(self) -> None:
        self._refresh_record()
        self._changed.set()

    def _rewrite(self, wanted: StepRecord) -> None:
        self._records.write(wanted)
        self.record = wanted

    def _refresh_record(self) -> None:
        """Write the record when what it says of the replicas is no longer true."""
        revisions = [process.report.revision for process in self._processes if process.report]
        fresh = replace(
            self.record,
            endpoints=tuple(process.url for process in self._processes if process.url is not None),
            # The revision outlives the processes: a restart gives the same one.
            model_revision=revisions[0] if revisions else self.record.model_revision,
            ports=tuple(process.port for process in self._processes),
        )
        if fresh == self.record and not self._is_record_stale:
            return
        self.record = fresh
        try:
            self._records.write(fresh)
            self._is_record_stale = False
        except OSError:
            # The next change writes again; a replica must not end because of a full disk.
            self._is_record_stale = True
            _log.exception("the record %s could not be written", fresh.name)

    def _handle_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            _log.error("a replica of %s is given up: %s", self.record.key, task.exception())
        self._changed.set()

    def _is_refused(self, process: ReplicaProcess) -> bool:
        task = self._tasks.get(process)
        return task is not None and task.done()

    def _failure(self) -> BaseException | None:
        ended = [task for task in self._tasks.values() if task.done() and not task.cancelled()]
        return next((task.exception() for task in ended), None)

    def _raise_failure(self) -> None:
        failure = self._failure()
        if failure is not None:
            raise failure


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """End processes by ending the tasks that look after them."""
    tasks = list(tasks)
    for task in tasks:
        if not task.cancelling():  # a second request would cut the polite end short
            task.cancel()
    if tasks:
        await asyncio.wait(tasks)


async def _end_later(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.sleep(_NOTICE_S)
    await _end(tasks)
