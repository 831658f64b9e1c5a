"""From a ConfigMap, which anybody may have written, to the record of a step or a refusal.

Whoever can write records can redirect every image. So a record names no address at all, only a
Service of its own namespace, and says nothing that is not known.
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from dispatcher.pipelines.flattening import MAX_STEPS
from dispatcher.pipelines.step_fields import VOLUMES
from dispatcher.topology.configmap import (
    DATA_KEY,
    InvalidRecordError,
    StepRecord,
    read_record,
)
from dispatcher.topology.kubernetes.kinds import ConfigMap
from step_app.contract.step_types import STEP_TYPES

MAX_CONFIG_BYTES: Final = 128 * 1024
"""Of the 1 MiB that a ConfigMap may have; the longest pipeline needs less."""
_MAX_DEPTH: Final = 32
_MAX_COUNT: Final = 10_000
_ID: Final = {"type": ["string", "integer"]}
_NEXT: Final = {"type": ["string", "integer", "null"]}
_COUNT: Final = {"type": "integer", "minimum": 0, "maximum": _MAX_COUNT}
_WORD: Final = {"type": "string", "maxLength": 512}
_CONFIG: Final = Draft202012Validator(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["pipeline_id", "step_id", "steps"],
        "properties": {
            "pipeline_id": _ID,
            "step_id": _ID,
            "steps": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_STEPS,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["id", "type"],
                    "properties": {
                        "id": _ID,
                        "type": {"enum": sorted(STEP_TYPES)},
                        "params": {"type": ["object", "null"]},
                        "next_step": _NEXT,
                        "preferred_next": _NEXT,
                    },
                },
            },
            "service": _WORD,
            # In a cluster, EndpointSlices say what runs.
            "endpoints": {"type": "array", "maxItems": 0},
            "ports": {"type": "array", "maxItems": 0},
            "replicas": _COUNT,
            "min_replicas": _COUNT,
            "max_replicas": _COUNT,
            "model_revision": _WORD,
            "name": {"type": ["string", "null"], "maxLength": 63},
            "created_at": _WORD,
            "deleting": {"type": "boolean"},
            "gpu": _COUNT,
            "volumes": {"type": "array", "maxItems": len(VOLUMES), "items": {"enum": VOLUMES}},
            "resources": {
                "type": "object",
                "maxProperties": 8,
                "additionalProperties": {
                    "type": "object",
                    "maxProperties": 8,
                    "additionalProperties": {"type": ["string", "number"]},
                },
            },
        },
    }
)
_UNPLAIN: Final = re.compile(r"[^ -~]")
_SHOWN: Final = 80
_LABEL: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SERVICE: Final = re.compile(
    rf"(http://)?(?P<name>{_LABEL})"
    rf"(\.(?P<namespace>{_LABEL})(\.svc(\.cluster\.local\.?)?)?)?(:[0-9]{{1,5}})?/?"
)


@dataclass(frozen=True, slots=True)
class ClusterStep:
    """A record that may be used."""

    record: StepRecord
    service: str
    """Name of the Service that leads to its replicas; empty when it names none."""


def read_config_map(config_map: ConfigMap, *, namespace: str) -> ClusterStep:
    """Read a record strictly.

    Args:
        config_map: found by its label.
        namespace: the only one in which its Service may be.

    Raises:
        InvalidRecordError: it is not the record of a step, or points elsewhere; the message says
            why and repeats nothing of its contents.
    """
    data = config_map.data or {}
    if data.keys() != {DATA_KEY} or config_map.binary_data:
        raise InvalidRecordError(f"its data is not {DATA_KEY} alone")
    config = _load(data[DATA_KEY])
    worst = best_match(_CONFIG.iter_errors(config))
    if worst is not None:
        raise InvalidRecordError(f"{_place(worst.absolute_path)}: {_complaint(worst)}")
    record = read_record(config_map.metadata.labels or {}, config)
    if config_map.metadata.name != record.name:
        raise InvalidRecordError(f"it is not called {record.name}, as its ids want")
    if config_map.metadata.label("step_id") != record.key.step_id:
        raise InvalidRecordError("the label step_id does not fit its data")
    if record.own_step["type"] != record.type:
        raise InvalidRecordError("the label step_type does not fit its data")
    return ClusterStep(record, _service_of(config.get("service") or "", namespace=namespace))


def _service_of(text: str, *, namespace: str) -> str:
    """Return the name of a Service of this namespace."""
    if not text:
        return ""
    found = _SERVICE.fullmatch(text)
    if found is None or found["namespace"] not in (None, namespace):
        raise InvalidRecordError(f"service: it is no Service of the namespace {namespace}")
    return found["name"]


def _load(text: str) -> Any:
    """Read YAML that cannot grow while it is read: no aliases, no depth, no key twice."""
    if len(text.encode(errors="surrogatepass")) > MAX_CONFIG_BYTES:
        raise InvalidRecordError(f"it has more than {MAX_CONFIG_BYTES} bytes")
    try:
        _check_events(text)
        return yaml.load(text, Loader=_StrictSafeLoader)
    except InvalidRecordError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise InvalidRecordError("it is no YAML") from exc


def _check_events(text: str) -> None:
    """Look at one event after another, before anything is built of them."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise InvalidRecordError("it has YAML aliases")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise InvalidRecordError(f"it is nested more than {_MAX_DEPTH} deep")


class _StrictSafeLoader(yaml.CSafeLoader):
    """Refuses a key that is there twice: neither value silently wins."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping whose keys are all different."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if not all(isinstance(key, Hashable) for key in keys) or len(set(keys)) < len(keys):
            raise InvalidRecordError("it says something twice")
        return super().construct_mapping(node, deep=deep)


def _place(path: Any) -> str:
    """Return where in the record, in characters that no log can stumble over."""
    return _UNPLAIN.sub("?", ".".join(str(part) for part in path))[:_SHOWN] or "it"


def _complaint(error: Any) -> str:
    """Say what a schema misses, in words that repeat nothing of the record."""
    if error.validator == "additionalProperties":
        return "has keys that are not known"
    if error.validator == "required":
        return "lacks a key that must be there"
    return f"does not fit ({error.validator})"
