"""How much of a node a step's pod asks for, and how much it may use at most.

A client may say it; what it leaves open gets a default that fits with what it said, so that no
request is ever above its limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from kubernetes.aio.client import V1ResourceRequirements
from kubernetes.utils import parse_quantity

from dispatcher.errors import InvalidPipelineError
from dispatcher.topology.configmap import StepRecord

GPU: Final = "nvidia.com/gpu"
TMP_SIZE: Final = "512Mi"
"""Of the folder where large uploads wait."""
CACHE_SIZE: Final = "1Gi"
"""Of the folder of converted models."""
_STORAGE_REQUEST: Final = "128Mi"
_STORAGE_LIMIT: Final = "2Gi"
"""Both folders together, and the log."""

_SMALLEST: Final = {"cpu": Decimal("0.001"), "memory": Decimal(1)}
"""What Kubernetes counts these in: finer amounts are refused or warned of."""


@dataclass(frozen=True, slots=True)
class _Amounts:
    request: str
    limit: str


_CLASSIFIER: Final = {"cpu": _Amounts("250m", "2"), "memory": _Amounts("512Mi", "2Gi")}
_OTHERS: Final = {"cpu": _Amounts("100m", "1"), "memory": _Amounts("256Mi", "1Gi")}


def resources_of(record: StepRecord) -> V1ResourceRequirements:
    """Return what a step's container requests and is limited to.

    Raises:
        InvalidPipelineError: the client's own amounts contradict each other.
    """
    requests = {"ephemeral-storage": _STORAGE_REQUEST}
    limits = {"ephemeral-storage": _STORAGE_LIMIT}
    defaults = _CLASSIFIER if record.type == "classifier" else _OTHERS
    for name, default in defaults.items():
        amounts = _fitting(record, name, default)
        requests[name], limits[name] = amounts.request, amounts.limit
    if record.gpu:
        requests[GPU] = limits[GPU] = str(record.gpu)
    return V1ResourceRequirements(requests=requests, limits=limits)


def threads_of(record: StepRecord) -> int:
    """Return how many threads a step's arithmetic can really use: more would only be throttled."""
    limit = resources_of(record).limits["cpu"]
    return max(1, int(parse_quantity(limit)))


def _fitting(record: StepRecord, name: str, default: _Amounts) -> _Amounts:
    asked = _asked(record.resources, "requests", name)
    limit = _asked(record.resources, "limits", name)
    where = f"step {record.key.step_id}: resources"
    if limit is not None and not parse_quantity(limit):
        raise InvalidPipelineError(f"{where}.limits.{name}: must be more than 0.")
    if asked is not None and limit is not None and _is_more(asked, limit):
        raise InvalidPipelineError(f"{where}: requests.{name} is more than limits.{name}.")
    if limit is None:
        limit = asked if asked is not None and _is_more(asked, default.limit) else default.limit
    if asked is None:
        asked = limit if _is_more(default.request, limit) else default.request
    return _Amounts(asked, limit)


def _asked(resources: Mapping[str, Mapping[str, str]], kind: str, name: str) -> str | None:
    """Return what the client asks for in the units that Kubernetes counts in."""
    text = resources.get(kind, {}).get(name)
    if text is None:
        return None
    unit = _SMALLEST[name]
    units = parse_quantity(text) / unit
    if units == units.to_integral_value():
        return text
    rounded = units.to_integral_value(ROUND_CEILING)
    return f"{rounded:f}m" if name == "cpu" else f"{rounded:f}"


def _is_more(one: str, other: str) -> bool:
    return bool(parse_quantity(one) > parse_quantity(other))
