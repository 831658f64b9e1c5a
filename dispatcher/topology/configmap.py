"""The record of a step: a Kubernetes ConfigMap, or the same text in a file on one machine."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import yaml
from jsonschema import Draft202012Validator

from dispatcher.pipelines.model import Pipeline, Stage, StepKey
from dispatcher.pipelines.replica_range import ReplicaRange
from step_app.contract.routes import active_route
from step_app.contract.step_types import STEP_TYPES

APP_LABEL: Final = "nn-service"
_ID: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A DNS label (RFC 1123), as every name made of ids must be."""
DATA_KEY: Final = "PIPELINE_CONFIG"
_MAX_PORT: Final = 65_535
_MALFORMED: Final = (
    yaml.YAMLError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What reading a document of another shape raises."""


class InvalidRecordError(ValueError):
    """A record that does not describe a step."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of one pipeline: what it is and where its replicas answer."""

    key: StepKey
    type: str
    steps: Sequence[Mapping[str, Any]]
    """All steps in the order in which pictures pass: id, type, params, next_step,
    preferred_next."""
    endpoints: Sequence[str] = ()
    """URLs of the replicas that run; in a cluster the Service's endpoints take this place."""
    replicas: int = 1
    """How many there shall be."""
    replica_range: ReplicaRange | None = None
    """Between which bounds they follow the load; None when they do not."""
    model_revision: str = ""
    pipeline_name: str | None = None
    """What a client called the pipeline."""
    created_at: str = ""
    """When a client made the pipeline, as on the wire; empty when none did."""
    gpu: int = 0
    """GPUs of each replica's pod, in a cluster."""
    volumes: Sequence[str] = ()
    """Folders of the host that each pod sees, in a cluster."""
    resources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """``requests`` and ``limits`` of each pod, in a cluster."""
    is_leaving: bool = False
    """Whether its pipeline is being deleted: it finishes what it has and takes no new work."""
    ports: Sequence[int] = ()
    """Where the replicas of one machine listened last, so that a restart keeps their URLs."""

    @property
    def name(self) -> str:
        """Name of the object, and of the file."""
        return f"{self.key.pipeline_id}-step-{self.key.step_id}"

    @property
    def own_step(self) -> Mapping[str, Any]:
        """The entry of ``steps`` that is this record's own."""
        return next(step for step in self.steps if str(step["id"]) == self.key.step_id)

    @property
    def params(self) -> Mapping[str, Any]:
        """The params of this record's own step."""
        return self.own_step.get("params") or {}


def render(record: StepRecord) -> str:
    """Return a record as a ConfigMap in YAML."""
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": record.name, "labels": labels_of(record)},
        "data": {DATA_KEY: config_text(record)},
    }
    return yaml.safe_dump(document, sort_keys=False)


def labels_of(record: StepRecord) -> dict[str, str]:
    """Return the labels by which a record is found."""
    return {
        "app": APP_LABEL,
        "pipeline_id": record.key.pipeline_id,
        "step_id": record.key.step_id,
        "step_type": record.type,
    }


def assignment_of(record: StepRecord) -> dict[str, Any]:
    """Return what a replica of a step is told: which step it is, and of which pipeline."""
    return {
        "pipeline_id": record.key.pipeline_id,
        "step_id": record.key.step_id,
        "steps": [dict(step) for step in record.steps],
    }


def config_text(record: StepRecord, *, service: str | None = None) -> str:
    """Return what a record says, in YAML.

    Args:
        record: of a step.
        service: URL that leads to any replica; the first one's own unless told otherwise.
    """
    config = {
        **assignment_of(record),
        "service": service or next(iter(record.endpoints), ""),
        "endpoints": list(record.endpoints),
        "replicas": record.replicas,
        **_range_keys(record.replica_range),
        "model_revision": record.model_revision,
        "name": record.pipeline_name,
        "created_at": record.created_at,
        "gpu": record.gpu,
        "volumes": list(record.volumes),
        "resources": {kind: dict(amounts) for kind, amounts in record.resources.items()},
        "ports": list(record.ports),
        **({"deleting": True} if record.is_leaving else {}),
    }
    return yaml.safe_dump(config, sort_keys=False)


def parse(text: str) -> StepRecord:
    """Read a ConfigMap in YAML.

    Raises:
        InvalidRecordError: it is not the record of a step.
    """
    try:
        document = yaml.safe_load(text)
        labels = document["metadata"]["labels"]
        config = yaml.safe_load(document["data"][DATA_KEY])
    except _MALFORMED as exc:
        raise InvalidRecordError("this is no record of a step") from exc
    return read_record(labels, config)


def read_record(labels: Mapping[str, Any], config: Mapping[str, Any]) -> StepRecord:
    """Return the record that a ConfigMap's labels and its data, both loaded, are.

    Raises:
        InvalidRecordError: they are not the record of a step.
    """
    try:
        record = StepRecord(
            key=StepKey(str(config["pipeline_id"]), str(config["step_id"])),
            type=str(labels["step_type"]),
            steps=_parse_steps(config["steps"]),
            endpoints=tuple(_check_url(url) for url in config.get("endpoints") or ()),
            replicas=int(config.get("replicas", 1)),
            replica_range=_parse_range(config),
            model_revision=str(config.get("model_revision") or ""),
            pipeline_name=_parse_name(config.get("name")),
            created_at=str(config.get("created_at") or ""),
            gpu=int(config.get("gpu") or 0),
            volumes=tuple(str(volume) for volume in config.get("volumes") or ()),
            resources=_parse_resources(config.get("resources") or {}),
            is_leaving=bool(config.get("deleting")),
            ports=tuple(_check_port(port) for port in config.get("ports") or ()),
        )
        params = record.params
    except _MALFORMED as exc:
        raise InvalidRecordError("this is no record of a step") from exc
    except StopIteration as exc:
        raise InvalidRecordError("the record's step is not among its steps") from exc
    if not _ID.fullmatch(record.key.pipeline_id) or not _ID.fullmatch(record.key.step_id):
        raise InvalidRecordError("an id has other characters than a Kubernetes name")
    is_ours = labels.get("app") == APP_LABEL and labels.get("pipeline_id") == record.key.pipeline_id
    if not is_ours or record.type not in STEP_TYPES or not isinstance(params, Mapping):
        raise InvalidRecordError("the record's labels do not fit its data")
    if not Draft202012Validator(STEP_TYPES[record.type].params).is_valid(params):
        raise InvalidRecordError(f"these are no params of the step type {record.type}")
    return record


def pipelines_of(records: Sequence[StepRecord]) -> list[Pipeline]:
    """Return the pipelines that these records make up, each with the stages that images pass."""
    by_pipeline: dict[str, dict[str, StepRecord]] = {}
    for record in records:
        by_pipeline.setdefault(record.key.pipeline_id, {})[record.key.step_id] = record
    pipelines = []
    for pipeline_id, steps in by_pipeline.items():
        any_record = next(iter(steps.values()))
        # A step is active while its record exists, whether or not a replica is ready.
        route = active_route(any_record.steps, active=steps.keys())
        pipelines.append(
            Pipeline(
                id=pipeline_id,
                stages=tuple(_stage(steps[step_id]) for step_id in route),
                name=any_record.pipeline_name,
                is_leaving=any(record.is_leaving for record in steps.values()),
            )
        )
    return pipelines


def _stage(record: StepRecord) -> Stage:
    return Stage(
        key=record.key,
        type=record.type,
        params=record.params,
        model_revision=record.model_revision,
    )


def _parse_steps(steps: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    parsed = tuple(dict(step) for step in steps)
    if len({str(step["id"]) for step in parsed}) < len(parsed):
        raise ValueError("two steps have one id")
    return parsed


def _range_keys(bounds: ReplicaRange | None) -> dict[str, int]:
    return {} if bounds is None else {"min_replicas": bounds.min, "max_replicas": bounds.max}


def _parse_range(config: Mapping[str, Any]) -> ReplicaRange | None:
    if config.get("min_replicas") is None and config.get("max_replicas") is None:
        return None
    low, high = int(config["min_replicas"]), int(config["max_replicas"])
    if not 0 < low <= high:
        raise ValueError("the bounds of its replicas are none")
    return ReplicaRange(low, high) if low < high else None


def _parse_name(name: object) -> str | None:
    if name is not None and not _ID.fullmatch(str(name)):
        raise ValueError("the pipeline's name has other characters than a Kubernetes name")
    return None if name is None else str(name)


def _parse_resources(
    resources: Mapping[str, Mapping[str, object]],
) -> Mapping[str, Mapping[str, str]]:
    return {
        str(kind): {str(name): str(amount) for name, amount in amounts.items()}
        for kind, amounts in resources.items()
    }


def _check_port(port: object) -> int:
    if not isinstance(port, int) or not 0 < port <= _MAX_PORT:
        raise ValueError("a port is no port")
    return port


def _check_url(url: object) -> str:
    parts = urlsplit(str(url))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError("an endpoint is no http URL")
    return str(url).rstrip("/")
