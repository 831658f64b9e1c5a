"""The parts of cluster objects that discovery reads; whatever else they hold is skipped unread."""

from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

import msgspec


class ManagedFields(msgspec.Struct, frozen=True):
    """Who wrote an object, and when."""

    manager: str = ""
    time: str | None = None


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """What every object has."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    managed_fields: tuple[ManagedFields, ...] | None = None

    def label(self, name: str) -> str:
        """Return the value of a label; empty when there is none."""
        return (self.labels or {}).get(name, "")

    @property
    def last_manager(self) -> str:
        """Who wrote the object last."""
        writers = sorted(self.managed_fields or (), key=lambda writer: writer.time or "")
        return writers[-1].manager if writers else "unknown"


class ConfigMap(msgspec.Struct, frozen=True, rename="camel"):
    """A record, or what claims to be one."""

    metadata: Metadata
    data: dict[str, str] | None = None
    binary_data: dict[str, str] | None = None


class Conditions(msgspec.Struct, frozen=True):
    """The state of one endpoint."""

    ready: bool | None = None


class TargetRef(msgspec.Struct, frozen=True):
    """The pod behind an endpoint."""

    kind: str = ""
    uid: str = ""


class Endpoint(msgspec.Struct, frozen=True, rename="camel"):
    """One pod of a Service; of its addresses, all are the same pod."""

    addresses: tuple[str, ...] = ()
    conditions: Conditions | None = None
    target_ref: TargetRef | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it takes requests; one of which nothing is said does, by Kubernetes' rule."""
        return self.conditions is None or self.conditions.ready is not False


class EndpointPort(msgspec.Struct, frozen=True):
    """One port of all endpoints of a slice."""

    name: str | None = None
    port: int | None = None
    protocol: str | None = None


class EndpointSlice(msgspec.Struct, frozen=True, rename="camel"):
    """Some of the endpoints of one Service; its labels are the Service's, and some of its own."""

    metadata: Metadata
    address_type: str = ""
    endpoints: tuple[Endpoint, ...] | None = None
    ports: tuple[EndpointPort, ...] | None = None


Kind = TypeVar("Kind", ConfigMap, EndpointSlice)


class ListMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """At which version a list was made, and how to get the rest of it."""

    resource_version: str
    continue_: str = msgspec.field(default="", name="continue")


class Listed(msgspec.Struct, Generic[Kind], frozen=True):
    """One page of a list."""

    metadata: ListMetadata
    items: Sequence[Kind] | None


class WatchLine(msgspec.Struct, frozen=True):
    """One line of a watch; what its object is depends on the type."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


class Status(msgspec.Struct, frozen=True):
    """An error inside a watch."""

    code: int = 0
    reason: str = ""
    message: str = ""
