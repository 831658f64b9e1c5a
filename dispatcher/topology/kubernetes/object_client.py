"""The objects of one kind in the steps' namespace: made, listed, changed and deleted.

Every call is tried again when the API server does not answer or has too much to do. So it has to
come to the same to be done twice: a deletion names the object by its uid, a change says what
shall be, and something that was made, with an answer that got lost, is known again by its label.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import aiohttp
import msgspec
from kubernetes.aio.client import V1DeleteOptions, V1Preconditions

from dispatcher.topology.kubernetes.access import CALL_TIMEOUT_S, ClusterApi, ClusterError
from dispatcher.topology.kubernetes.labels import CREATION_LABEL, MANAGER
from dispatcher.topology.kubernetes.observed import (
    Deployment,
    Draft,
    Event,
    ObjectMetadata,
    Pod,
    Service,
    Thing,
)
from dispatcher.topology.kubernetes.patience import outlast_conflicts, persist

ShapeT = TypeVar("ShapeT", Draft, Deployment, Service, Pod, Event, Thing)

_AT_ONCE: Final = 8
"""Calls about one kind on the road: an API server shares its time among its clients."""
_NOT_FOUND: Final = 404
_MERGE_PATCH: Final = "application/merge-patch+json"


class ObjectClient(Generic[ShapeT]):
    """Calls the API server about one kind of object."""

    def __init__(
        self,
        cluster: ClusterApi,
        kind: str,
        *,
        group: Callable[[], object],
        word: str,
        shape: type[ShapeT],
    ) -> None:
        """Choose a kind.

        Args:
            cluster: to be called.
            kind: its name in manifests, like ConfigMap.
            group: gives the API group that it belongs to, once the cluster is started.
            word: its name in the group's methods, like config_map.
            shape: what is read of an object.
        """
        self.kind = kind
        self._cluster = cluster
        self._group = group
        self._word = word
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._list = msgspec.json.Decoder(_listed(shape))

    async def create(self, body: Any) -> ObjectMetadata:
        """Make an object, typed and with labels; return what the API server says of it.

        Raises:
            ClusterError: it was not made; or it may have been, when nobody answers.
        """
        may_exist = False

        async def attempt() -> ObjectMetadata:
            nonlocal may_exist
            try:
                return _metadata(await self._call("create", body=body, field_manager=MANAGER))
            except ClusterError as exc:
                if may_exist and exc.reason == "AlreadyExists":
                    return await self._own(body, refused=exc)
                may_exist = may_exist or exc.may_have_happened
                raise

        return await persist(lambda: outlast_conflicts(attempt))

    async def all(self, selector: str, *, field_selector: str | None = None) -> Sequence[ShapeT]:
        """Return all objects that bear these labels.

        Raises:
            ClusterError: they could not be read.
        """
        asked = {"label_selector": selector, "field_selector": field_selector}
        chosen = {name: text for name, text in asked.items() if text}

        async def attempt() -> Sequence[ShapeT]:
            answer = await self._call("list", **chosen)
            try:
                items: Sequence[ShapeT] | None = self._list.decode(answer).items
            except ValueError as exc:
                raise ClusterError(f"the list of {self.kind}s cannot be read") from exc
            return items or ()

        return await persist(attempt)

    async def merge(self, name: str, document: Mapping[str, Any]) -> ObjectMetadata:
        """Put parts into an object; with a resourceVersion only while it is still that one.

        Return what the API server says of it then.

        Raises:
            ClusterError: it was not changed; or it may have been, when nobody answers.
        """

        async def attempt() -> ObjectMetadata:
            return _metadata(await self._patch(name, document))

        return await persist(attempt)

    async def scale(self, name: str, replicas: int) -> None:
        """Say how many replicas there shall be, where the kind has a scale.

        Raises:
            ClusterError: as for ``merge``.
        """
        document = {"spec": {"replicas": replicas}}
        await persist(lambda: self._patch(name, document, subresource="_scale"))

    async def delete(self, metadata: ObjectMetadata) -> None:
        """Delete this very object, and not another that has come to bear its name.

        Raises:
            ClusterError: it is still there, perhaps.
        """
        options = V1DeleteOptions(
            propagation_policy="Background", preconditions=V1Preconditions(uid=metadata.uid)
        )
        try:
            await persist(lambda: self._call("delete", name=metadata.name, body=options))
        except ClusterError as exc:
            # Gone already, or gone and made anew by somebody: in both cases it is not there.
            if exc.status != _NOT_FOUND and exc.reason != "Conflict":
                raise

    async def _own(self, body: Any, *, refused: ClusterError) -> ObjectMetadata:
        """Return the object that is in the way if it is the one that was to be made."""
        found = _metadata(await self._call("read", name=body.metadata.name))
        if found.label(CREATION_LABEL) != body.metadata.labels[CREATION_LABEL]:
            raise refused
        return found

    async def _patch(self, name: str, document: object, *, subresource: str = "") -> bytes:
        return await self._call(
            "patch",
            subresource=subresource,
            name=name,
            body=document,
            field_manager=MANAGER,
            _content_type=_MERGE_PATCH,
        )

    async def _call(self, verb: str, *, subresource: str = "", **arguments: object) -> bytes:
        method = f"{verb}_namespaced_{self._word}{subresource}_without_preload_content"
        request: Callable[..., Awaitable[aiohttp.ClientResponse]] = getattr(self._group(), method)
        async with self._slots:
            return await self._cluster.read(
                request, timeout_s=CALL_TIMEOUT_S, namespace=self._cluster.namespace, **arguments
            )


@dataclass(frozen=True, slots=True)
class Objects:
    """All kinds that a pipeline is made of, and those that say how it is."""

    config_maps: ObjectClient[Draft]
    services: ObjectClient[Service]
    deployments: ObjectClient[Deployment]
    disruption_budgets: ObjectClient[Thing]
    pods: ObjectClient[Pod]
    endpoint_slices: ObjectClient[Thing]
    events: ObjectClient[Event]


def objects_in(cluster: ClusterApi) -> Objects:
    """Return clients for the namespace of a cluster, which need not be started yet."""

    def core() -> object:
        return cluster.core

    return Objects(
        config_maps=ObjectClient(cluster, "ConfigMap", group=core, word="config_map", shape=Draft),
        services=ObjectClient(cluster, "Service", group=core, word="service", shape=Service),
        deployments=ObjectClient(
            cluster, "Deployment", group=lambda: cluster.apps, word="deployment", shape=Deployment
        ),
        disruption_budgets=ObjectClient(
            cluster,
            "PodDisruptionBudget",
            group=lambda: cluster.policy,
            word="pod_disruption_budget",
            shape=Thing,
        ),
        endpoint_slices=ObjectClient(
            cluster,
            "EndpointSlice",
            group=lambda: cluster.discovery,
            word="endpoint_slice",
            shape=Thing,
        ),
        pods=ObjectClient(cluster, "Pod", group=core, word="pod", shape=Pod),
        events=ObjectClient(cluster, "Event", group=core, word="event", shape=Event),
    )


class _Listed(msgspec.Struct, Generic[ShapeT], frozen=True):
    items: Sequence[ShapeT] | None = None


def _listed(shape: type[ShapeT]) -> Any:
    return _Listed[shape]  # type: ignore[valid-type] # at run time


def _metadata(answer: bytes) -> ObjectMetadata:
    try:
        return msgspec.json.decode(answer, type=Thing).metadata
    except ValueError as exc:
        raise ClusterError(
            "the API server's answer cannot be read", may_have_happened=True
        ) from exc
