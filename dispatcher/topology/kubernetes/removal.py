"""Everything of a pipeline goes: each object by its name and uid, and only with its label."""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any, Final

from dispatcher.topology.kubernetes.labels import (
    CREATION_LABEL,
    STEPS_SELECTOR,
    pipeline_selector,
)
from dispatcher.topology.kubernetes.object_client import ObjectClient, Objects
from dispatcher.topology.status import TopologyObject

_log = logging.getLogger(__name__)

_POLL_S: Final = 0.25
_SLICES_WITHIN_S: Final = 5.0
_PODS_WITHIN_S: Final = 40.0
"""How long replicas may take to end: their grace, and some time until each was told."""


@dataclass(frozen=True, slots=True)
class Remover:
    """Removes the objects of pipelines."""

    objects: Objects
    pods_within_s: float = _PODS_WITHIN_S
    """How long to wait for replicas to end, in seconds."""

    async def remove(
        self, pipeline_id: str, *, creation: str | None = None
    ) -> list[TopologyObject]:
        """Remove a pipeline; return what there was.

        Replicas end first, while their record still says where the others are; the records, by
        which a pipeline is known, go last: a removal that breaks off can be asked for again.

        Args:
            pipeline_id: the label that all its objects have.
            creation: remove only what this request made, and wait for no replica; None for all.

        Raises:
            ClusterError: something may still be there.
        """
        selector = pipeline_selector(pipeline_id)
        if creation is not None:
            selector = f"{selector},{CREATION_LABEL}={creation}"
        objects = self.objects
        removed = await _delete(objects.deployments, selector)
        if removed and creation is None:
            await self._until_gone(objects.pods, selector, within_s=self.pods_within_s)
        removed += await _delete(objects.disruption_budgets, selector)
        removed += await _delete(objects.services, selector)
        # Drafts last: while there is one, discovery sees nothing of what it was made with.
        removed += await _delete(objects.config_maps, f"{STEPS_SELECTOR},{selector}")
        removed += await _delete(objects.config_maps, selector)
        if removed and creation is None:
            await self._until_gone(objects.endpoint_slices, selector, within_s=_SLICES_WITHIN_S)
        return removed

    async def _until_gone(
        self, client: ObjectClient[Any], selector: str, *, within_s: float
    ) -> None:
        """Wait for what the cluster itself removes; pods on a node that is lost stay behind."""
        ends_at = time.monotonic() + within_s
        while left := await client.all(selector):
            if time.monotonic() >= ends_at:
                names = ", ".join(thing.metadata.name for thing in left)
                _log.warning("%ss that shall go are still there: %s", client.kind, names)
                return
            await asyncio.sleep(_POLL_S)


async def _delete(client: ObjectClient[Any], selector: str) -> list[TopologyObject]:
    found = await client.all(selector)
    await asyncio.gather(*(client.delete(thing.metadata) for thing in found))
    return [TopologyObject(kind=client.kind, name=thing.metadata.name) for thing in found]
