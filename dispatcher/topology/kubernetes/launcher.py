"""Replicas as pods: pipelines that clients make become objects of a cluster, and are told of.

The built-in pipelines are not this launcher's: they are there because an administrator applied
them, and are found like any other.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from dispatcher.errors import ClusterConflictError, NotFoundError, UnknownPipelineError
from dispatcher.pipelines.changes import StepChange
from dispatcher.pipelines.model import StepKey
from dispatcher.topology.blueprint import rerouted, scaled
from dispatcher.topology.configmap import DATA_KEY, StepRecord
from dispatcher.topology.kubernetes.access import ClusterApi, ClusterError
from dispatcher.topology.kubernetes.creation import PipelineMaker, together
from dispatcher.topology.kubernetes.finished import finished
from dispatcher.topology.kubernetes.labels import (
    RECORDS_SELECTOR,
    STEPS_SELECTOR,
    pipeline_selector,
)
from dispatcher.topology.kubernetes.object_client import objects_in
from dispatcher.topology.kubernetes.objects import record_text
from dispatcher.topology.kubernetes.observed import Event
from dispatcher.topology.kubernetes.permissions import StepPolicy
from dispatcher.topology.kubernetes.pods import is_silent
from dispatcher.topology.kubernetes.record_shelf import KeptRecord, RecordShelf
from dispatcher.topology.kubernetes.refusals import told_to_clients
from dispatcher.topology.kubernetes.removal import Remover
from dispatcher.topology.kubernetes.statuses import (
    Seen,
    key_of,
    pipeline_statuses,
    pods_by_step,
)
from dispatcher.topology.status import PipelineStatus, TopologyObject

_log = logging.getLogger(__name__)

_TIDY_EVERY_S: Final = 30.0
_READ_WITHIN_S: Final = 20.0
_CHANGED_WITHIN_S: Final = 30.0
_TAKEN_BACK_WITHIN_S: Final = 10.0
_REMOVED_WITHIN_S: Final = 90.0
_CONFLICT_TRIES: Final = 4
_CONFLICT: Final = "Conflict"


class KubernetesLauncher:
    """Runs pipelines in one namespace of a cluster."""

    def __init__(self, cluster: ClusterApi, *, policy: StepPolicy, may_change: bool = True) -> None:
        """Prepare to run pipelines; no call is made.

        Args:
            cluster: started by somebody else before this.
            policy: what the administrator decided about clients' pods.
            may_change: whether pipelines may be made, changed and removed at all.
        """
        self._cluster = cluster
        self._objects = objects_in(cluster)
        self._remover = Remover(self._objects)
        self._maker = PipelineMaker(self._objects, remover=self._remover, policy=policy)
        self._may_change = may_change
        self._shelf = RecordShelf(cluster.namespace)
        self._taking_back: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start nothing: what was made runs, whether or not anybody looks after it."""

    async def wait_ready(self) -> str:
        """Return at once: pipelines come and go, and the service is there for all of them."""
        return f"the pipelines of the namespace {self._cluster.namespace}"

    async def supervise(self) -> None:
        """Remove what is left of pipelines that were not made to the end, until cancelled."""
        while self._may_change:
            try:
                await self._maker.tidy()
            except ClusterError as exc:
                _log.warning("what is left of pipelines is not removed yet: %s", exc)
            await asyncio.sleep(_TIDY_EVERY_S)
        await asyncio.Event().wait()

    async def create(self, records: Sequence[StepRecord]) -> Sequence[TopologyObject]:
        """Make a pipeline: all of it or nothing; return what was made.

        Raises:
            RequestError: the cluster, or its administrator, does not allow it, and nothing is left.
        """
        with told_to_clients():
            return await self._maker.make(records)

    async def change(self, pipeline_id: str, step_id: str, change: StepChange) -> None:
        """Change one step: all of it or nothing.

        Raises:
            UnknownPipelineError: there is no such pipeline.
            NotFoundError: it has no such step.
            RequestError: the cluster does not allow it, or does not answer.
        """
        with told_to_clients():
            async with asyncio.timeout(_CHANGED_WITHIN_S):
                for _ in range(_CONFLICT_TRIES - 1):
                    try:
                        return await self._change(StepKey(pipeline_id, step_id), change)
                    except ClusterError as exc:
                        if exc.reason != _CONFLICT:
                            raise
                return await self._change(StepKey(pipeline_id, step_id), change)

    async def remove(self, pipeline_id: str) -> Sequence[TopologyObject]:
        """End a pipeline and leave nothing of it; return what was there.

        Raises:
            UnknownPipelineError: there is none of that id.
            RequestError: something is still there; it may be tried again.
        """
        with told_to_clients():
            async with asyncio.timeout(_REMOVED_WITHIN_S):
                removed = await self._remover.remove(pipeline_id)
        if not removed:
            raise UnknownPipelineError("There is no such pipeline.")
        return removed

    async def pipelines(self) -> Sequence[PipelineStatus]:
        """Return what is wanted and what runs, and why something does not.

        Raises:
            RequestError: the cluster does not answer, or does not let itself be looked at.
        """
        with told_to_clients():
            async with asyncio.timeout(_READ_WITHIN_S):
                seen = await self._look()
        return pipeline_statuses(seen, namespace=self._cluster.namespace)

    async def close(self) -> None:
        """Wait for what is being undone; pods go on, and the next start finds them."""
        await asyncio.gather(*self._taking_back, return_exceptions=True)
        await self._maker.close()

    async def _look(self) -> Seen:
        objects = self._objects
        config_maps, deployments, services, pods = await asyncio.gather(
            objects.config_maps.all(RECORDS_SELECTOR),
            objects.deployments.all(STEPS_SELECTOR),
            objects.services.all(STEPS_SELECTOR),
            objects.pods.all(STEPS_SELECTOR),
        )
        kept = await self._shelf.read(finished(config_maps))
        events: Sequence[Event] = ()
        if is_silent(pods):
            events = await objects.events.all("", field_selector="type=Warning")
        return Seen(
            records=[each.record for each in kept],
            deployments={key_of(each.metadata): each for each in deployments},
            services={key_of(each.metadata): each for each in services},
            pods=pods_by_step(pods),
            events=sorted(events, key=lambda event: event.last_timestamp or ""),
        )

    async def _change(self, key: StepKey, change: StepChange) -> None:
        """Change the records, then the Deployment; take the records back if that fails.

        Raises:
            ClusterError: with the reason Conflict when somebody else changed a record meanwhile.
        """
        selector = f"{RECORDS_SELECTOR},{pipeline_selector(key.pipeline_id)}"
        kept = await self._shelf.read(finished(await self._objects.config_maps.all(selector)))
        if not kept:
            raise UnknownPipelineError("There is no such pipeline.")
        if key not in [each.record.key for each in kept]:
            known = ", ".join(each.record.key.step_id for each in kept)
            raise NotFoundError(f"The pipeline has no such step; it has: {known}.")
        written: list[KeptRecord] = []
        try:
            for each in kept:
                newer = _changed(each.record, key, change)
                if newer != each.record:
                    written.append(await self._write(each, newer))
            if change.replicas is not None:
                await self._scale(key, change.replicas)
        except BaseException:  # also when the request is cancelled meanwhile
            taking_back = asyncio.create_task(self._take_back(kept, written))
            self._taking_back.add(taking_back)
            taking_back.add_done_callback(self._taking_back.discard)
            await asyncio.shield(taking_back)
            raise

    async def _write(self, kept: KeptRecord, record: StepRecord) -> KeptRecord:
        """Write a record in place of the one that is there, and of no other."""
        text = await asyncio.to_thread(
            record_text, record, service=kept.service, namespace=self._cluster.namespace
        )
        metadata = await self._objects.config_maps.merge(
            kept.metadata.name,
            {
                "metadata": {"resourceVersion": kept.metadata.resource_version},
                "data": {DATA_KEY: text},
            },
        )
        return replace(kept, metadata=metadata, record=record)

    async def _take_back(self, kept: Sequence[KeptRecord], written: Sequence[KeptRecord]) -> None:
        older = {each.metadata.name: each.record for each in kept}
        for each in written:
            try:
                async with asyncio.timeout(_TAKEN_BACK_WITHIN_S):
                    await self._write(each, older[each.metadata.name])
            except (ClusterError, TimeoutError) as exc:
                _log.warning("the record %s keeps a change: %s", each.metadata.name, exc)

    async def _scale(self, key: StepKey, replicas: int) -> None:
        selector = f"{pipeline_selector(key.pipeline_id)},step_id={key.step_id}"
        found = await self._objects.deployments.all(f"{STEPS_SELECTOR},{selector}")
        if not found:
            raise ClusterConflictError("The step has no Deployment in the cluster.")
        await together(
            [self._objects.deployments.scale(each.metadata.name, replicas) for each in found]
        )


def _changed(record: StepRecord, key: StepKey, change: StepChange) -> StepRecord:
    """Return a record of the pipeline as it is after a change of one of its steps."""
    if change.is_leaving:
        record = replace(record, is_leaving=True)
    if change.is_rerouted:
        steps = rerouted(record.steps, key.step_id, change.preferred_next)
        record = replace(record, steps=steps)
    return scaled(record, change) if record.key == key else record
