"""One pipeline on this machine: the processes of all its steps."""

import asyncio
import contextlib
from collections.abc import Sequence

from dispatcher.errors import NotFoundError
from dispatcher.topology.blueprint import rerouted
from dispatcher.topology.status import Entry, PipelineStatus, TopologyObject, pipeline_state
from dispatcher.topology.step_processes import StepProcesses


class LocalPipeline:
    """The steps of one pipeline, in the order in which pictures pass."""

    def __init__(self, steps: Sequence[StepProcesses]) -> None:
        self._steps = list(steps)
        first = self._steps[0].record
        self.id = first.key.pipeline_id
        self.name = first.pipeline_name
        self.created_at = first.created_at

    @property
    def first(self) -> StepProcesses:
        """The step where pictures enter."""
        return self._steps[0]

    async def write_records(self) -> None:
        """Write all records.

        Raises:
            OSError: one could not be written.
        """
        for step in self._steps:
            step.write()
            await asyncio.sleep(0)  # a record of many steps takes milliseconds

    def start(self) -> None:
        """Start what does not run yet."""
        for step in self._steps:
            step.start()

    async def leave(self) -> None:
        """Say in all records that it takes no new work; those who read them go by that.

        Raises:
            OSError: a record could not be written; it may be tried again.
        """
        for step in self._steps:
            step.leave()
            await asyncio.sleep(0)

    async def reroute(self, step_id: str, preferred_next: str | None) -> None:
        """Send pictures elsewhere after one step.

        Raises:
            NotFoundError: no such step.
            OSError: a record could not be written, and nothing has changed.
        """
        older = self.step(step_id).record.steps
        newer = rerouted(older, step_id, preferred_next)
        try:
            for step in self._steps:
                step.reroute(newer)
                await asyncio.sleep(0)
        except BaseException:  # also when the request is cancelled meanwhile
            for step in self._steps:
                with contextlib.suppress(OSError):
                    step.reroute(older)
            raise

    def step(self, step_id: str) -> StepProcesses:
        """Return one step.

        Raises:
            NotFoundError: there is none of that id.
        """
        for step in self._steps:
            if step.record.key.step_id == step_id:
                return step
        known = ", ".join(step.record.key.step_id for step in self._steps)
        raise NotFoundError(f"The pipeline has no such step; it has: {known}.")

    def status(self) -> PipelineStatus:
        """Return what is wanted and what runs."""
        steps = [step.status() for step in self._steps]
        url = self.first.address
        return PipelineStatus(
            pipeline_id=self.id,
            name=self.name,
            state=pipeline_state(
                (step.state for step in steps), is_leaving=self.first.record.is_leaving
            ),
            steps=steps,
            entry=Entry(
                step_id=self.first.record.key.step_id, url=url, process_url=f"{url}/process"
            ),
            created_at=self.created_at or None,
        )

    def objects(self) -> list[TopologyObject]:
        """Return everything that exists because of this pipeline."""
        objects = []
        for step in self._steps:
            objects.append(TopologyObject(kind="ConfigMap", name=step.record.name))
            objects += [
                TopologyObject(kind="Process", name=process.name, url=process.address)
                for process in step.processes
            ]
        return objects

    async def close(self) -> None:
        """End all processes; the records stay.

        The first step ends first: it answers only when the later ones have answered it, so what
        it has accepted goes its way to the end.
        """
        await self.first.close()
        await asyncio.gather(*(step.close() for step in self._steps[1:]))

    def remove_records(self) -> None:
        """Remove all records.

        Raises:
            OSError: some are still there.
        """
        for step in self._steps:
            step.remove_record()
