"""A pipeline is made as a whole or not at all, whatever happens on the way.

::

    ConfigMaps as drafts ──▶ Services, Deployments, PodDisruptionBudgets ──▶ ConfigMaps are valid
           │ a refusal, no answer, the end of this process: what was made is removed,
           ▼ at once or as soon as the cluster answers; discovery has never seen it

The ConfigMaps become valid one by one, and count when the last of them is (``finished``).
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

from dispatcher.topology.configmap import APP_LABEL, StepRecord
from dispatcher.topology.kubernetes.access import ClusterError
from dispatcher.topology.kubernetes.labels import CREATION_LABEL, DRAFTS_SELECTOR
from dispatcher.topology.kubernetes.object_client import Objects
from dispatcher.topology.kubernetes.objects import StepObjects, objects_of, owned, service_url
from dispatcher.topology.kubernetes.observed import ObjectMetadata
from dispatcher.topology.kubernetes.permissions import StepPolicy
from dispatcher.topology.kubernetes.removal import Remover
from dispatcher.topology.status import TopologyObject

_log = logging.getLogger(__name__)
T = TypeVar("T")

_MADE_WITHIN_S: Final = 30.0
_UNDONE_WITHIN_S: Final = 10.0
"""How long a client waits for what was made to be removed; later it is done without it."""
_LATE_S: Final = 60.0
"""How long a call that nobody answered may still have an effect."""
_DRAFT_LIFE: Final = timedelta(minutes=10)


class _Attempt(NamedTuple):
    pipeline_id: str
    creation: str


@dataclass(frozen=True, slots=True)
class PipelineMaker:
    """Makes the objects of pipelines."""

    objects: Objects
    remover: Remover
    policy: StepPolicy
    made_within_s: float = _MADE_WITHIN_S
    """How long it may take at most, in seconds."""
    draft_life: timedelta = _DRAFT_LIFE
    """After which nobody is still making what a draft belongs to."""
    _failed: dict[_Attempt, float] = field(default_factory=dict)
    """Since when, in monotonic seconds, something may be left of these."""
    _undoing: set[asyncio.Task[None]] = field(default_factory=set)

    async def make(self, records: Sequence[StepRecord]) -> list[TopologyObject]:
        """Make a pipeline: all of it or nothing; return what was made.

        Raises:
            InvalidPipelineError: it asks for what cannot be, or is not allowed.
            ClusterError: the cluster refused a part of it.
            TimeoutError: the cluster is too slow.
        """
        attempt = _Attempt(records[0].key.pipeline_id, secrets.token_hex(8))
        # The longest pipeline is a second's work, of which the event loop shall notice nothing.
        wanted = await asyncio.to_thread(
            objects_of, records, creation=attempt.creation, policy=self.policy
        )
        try:
            async with asyncio.timeout(self.made_within_s):
                await self._make(wanted)
        except BaseException:  # also when the request is cancelled meanwhile
            undoing = asyncio.create_task(self._undo(attempt))
            self._undoing.add(undoing)
            undoing.add_done_callback(self._undoing.discard)
            await asyncio.shield(undoing)
            raise
        return [made for step in wanted for made in _made(step, self.policy.namespace)]

    async def tidy(self) -> None:
        """Remove what is left of pipelines that were not made to the end, also by others.

        Raises:
            ClusterError: something may still be there.
        """
        for attempt, since in list(self._failed.items()):
            removed = await self.remover.remove(attempt.pipeline_id, creation=attempt.creation)
            if not removed and time.monotonic() - since > _LATE_S:
                self._failed.pop(attempt, None)
        made_before = datetime.now(UTC) - self.draft_life
        for draft in await self.objects.config_maps.all(DRAFTS_SELECTOR):
            attempt = _attempt_of(draft.metadata)
            if all(attempt) and _is_forgotten(draft.metadata, made_before):
                _log.warning("pipeline %s was not made to the end", attempt.pipeline_id)
                await self.remover.remove(attempt.pipeline_id, creation=attempt.creation)

    async def close(self) -> None:
        """Wait for what is being removed."""
        await asyncio.gather(*self._undoing, return_exceptions=True)

    async def _make(self, wanted: Sequence[StepObjects]) -> None:
        config_maps = self.objects.config_maps
        owners = await together([config_maps.create(step.config_map) for step in wanted])
        await together(
            [
                client.create(owned(thing, owner))
                for step, owner in zip(wanted, owners, strict=True)
                for client, thing in (
                    (self.objects.services, step.service),
                    (self.objects.disruption_budgets, step.disruption_budget),
                    (self.objects.deployments, step.deployment),
                )
            ]
        )
        valid = {"metadata": {"labels": {"app": APP_LABEL}}}
        await together([config_maps.merge(owner.name, valid) for owner in owners])

    async def _undo(self, attempt: _Attempt) -> None:
        self._failed[attempt] = time.monotonic()
        try:
            async with asyncio.timeout(_UNDONE_WITHIN_S):
                await self.remover.remove(attempt.pipeline_id, creation=attempt.creation)
        except (ClusterError, TimeoutError):
            _log.exception("something may be left of %s; it is removed later", attempt.pipeline_id)


async def together(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Make calls at the same time; return their results in order, or raise the first failure.

    None is broken off because of another, so that it is known what became of each.
    """
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def _made(step: StepObjects, namespace: str) -> list[TopologyObject]:
    name = step.config_map.metadata.name
    return [
        TopologyObject(kind="ConfigMap", name=name),
        TopologyObject(kind="Deployment", name=name),
        TopologyObject(kind="Service", name=name, url=service_url(name, namespace=namespace)),
        TopologyObject(kind="PodDisruptionBudget", name=name),
    ]


def _attempt_of(metadata: ObjectMetadata) -> _Attempt:
    return _Attempt(metadata.label("pipeline_id"), metadata.label(CREATION_LABEL))


def _is_forgotten(metadata: ObjectMetadata, made_before: datetime) -> bool:
    made_at = metadata.creation_timestamp
    return made_at is not None and datetime.fromisoformat(made_at) < made_before
