"""The parts of cluster objects that a status is made of; whatever else they hold is skipped."""

from collections.abc import Mapping

import msgspec

from dispatcher.topology.kubernetes.kinds import ConfigMap, Metadata


class ObjectMetadata(Metadata, frozen=True, rename="camel"):
    """What every object has, its times included."""

    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class Thing(msgspec.Struct, frozen=True):
    """An object of any kind."""

    metadata: ObjectMetadata


class Draft(ConfigMap, frozen=True, rename="camel"):
    """A record with the time when it was made."""

    metadata: ObjectMetadata


class Condition(msgspec.Struct, frozen=True):
    """One thing that is said of an object."""

    type: str
    status: str = ""
    reason: str = ""
    message: str = ""


class DeploymentSpec(msgspec.Struct, frozen=True):
    """What is wanted."""

    replicas: int = 1


class DeploymentStatus(msgspec.Struct, frozen=True):
    """What a Deployment says of itself."""

    conditions: tuple[Condition, ...] | None = None


class Deployment(msgspec.Struct, frozen=True):
    """The replicas of a step, as they are wanted."""

    metadata: ObjectMetadata
    spec: DeploymentSpec = msgspec.field(default_factory=DeploymentSpec)
    status: DeploymentStatus = msgspec.field(default_factory=DeploymentStatus)


class ServicePort(msgspec.Struct, frozen=True, rename="camel"):
    """One port of a Service."""

    port: int
    node_port: int | None = None


class ServiceSpec(msgspec.Struct, frozen=True):
    """Where a Service answers."""

    ports: tuple[ServicePort, ...] | None = None


class Service(msgspec.Struct, frozen=True):
    """What leads to any replica of a step."""

    metadata: ObjectMetadata
    spec: ServiceSpec = msgspec.field(default_factory=ServiceSpec)


class Waiting(msgspec.Struct, frozen=True):
    """Why a container does not run."""

    reason: str = ""
    message: str = ""


class Terminated(msgspec.Struct, frozen=True, rename="camel"):
    """How a container ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""


class ContainerState(msgspec.Struct, frozen=True):
    """What a container does now, or did before."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct, frozen=True, rename="camel"):
    """One container of a pod."""

    name: str = ""
    ready: bool = False
    state: ContainerState = msgspec.field(default_factory=ContainerState)
    last_state: ContainerState = msgspec.field(default_factory=ContainerState)


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What a pod says of itself."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    conditions: tuple[Condition, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None


class Pod(msgspec.Struct, frozen=True):
    """One replica."""

    metadata: ObjectMetadata
    status: PodStatus = msgspec.field(default_factory=PodStatus)

    @property
    def is_ready(self) -> bool:
        """Whether it takes work."""
        is_leaving = self.metadata.deletion_timestamp is not None
        return not is_leaving and self.condition("Ready") == "True"

    def condition(self, name: str) -> str:
        """Return the status of one of its conditions; empty when nothing is said."""
        found = [each.status for each in self.status.conditions or () if each.type == name]
        return found[0] if found else ""


class Subject(msgspec.Struct, frozen=True):
    """What an event is about."""

    kind: str = ""
    name: str = ""


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """Something that happened to an object."""

    metadata: ObjectMetadata
    involved_object: Subject = msgspec.field(default_factory=Subject)
    type: str = ""
    reason: str = ""
    message: str = ""
    last_timestamp: str | None = None


def labels_of(thing: Thing | Deployment | Pod | Service) -> Mapping[str, str]:
    """Return the labels of an object."""
    return thing.metadata.labels or {}
