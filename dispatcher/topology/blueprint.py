"""The records that a pipeline asks for: a pure decision, the same for every launcher."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from dispatcher.pipelines.changes import StepChange
from dispatcher.pipelines.flattening import PipelineSpec
from dispatcher.pipelines.model import StepKey
from dispatcher.pipelines.replica_range import ReplicaRange
from dispatcher.topology.configmap import StepRecord

_MADE_BY_CLIENT: Final = re.compile("pipeline-[0-9a-f]{8}")

StepDocuments = Sequence[Mapping[str, Any]]
"""What stands in the ``steps`` of every record of a pipeline."""


def records_of(spec: PipelineSpec, *, pipeline_id: str, created_at: str) -> list[StepRecord]:
    """Return one record for each step, in the order in which pictures pass."""
    documents = tuple(
        {
            "id": step.step_id,
            "type": step.type,
            "params": dict(step.params),
            "next_step": step.next_step,
            "preferred_next": step.preferred_next,
        }
        for step in spec.steps
    )
    return [
        StepRecord(
            key=StepKey(pipeline_id, step.step_id),
            type=step.type,
            steps=documents,
            replicas=step.replicas,
            replica_range=step.replica_range,
            pipeline_name=spec.name,
            created_at=created_at,
            gpu=step.gpu,
            volumes=step.volumes,
            resources=step.resources,
        )
        for step in spec.steps
    ]


def rerouted(steps: StepDocuments, step_id: str, preferred_next: str | None) -> StepDocuments:
    """Return the steps of a pipeline with another preferred next step for one of them."""
    return tuple(
        {**step, "preferred_next": preferred_next} if str(step["id"]) == step_id else step
        for step in steps
    )


def scaled(record: StepRecord, change: StepChange) -> StepRecord:
    """Return a record with as many replicas, and with the bounds, that a change asks for."""
    bounds = change.replica_range or record.replica_range
    return replace(
        record,
        replicas=record.replicas if change.replicas is None else change.replicas,
        replica_range=bounds if bounds is not None and bounds.is_open else None,
    )


def bounds_of(record: StepRecord) -> ReplicaRange:
    """Return the bounds of a step's replicas: the number itself for one that has no range."""
    return record.replica_range or ReplicaRange(record.replicas, record.replicas)


def in_order(records: Sequence[StepRecord]) -> list[StepRecord]:
    """Return the records of one pipeline in the order in which pictures pass."""
    order = {str(step["id"]): position for position, step in enumerate(records[0].steps)}
    return sorted(records, key=lambda record: order.get(record.key.step_id, len(order)))


def new_pipeline_id() -> str:
    """Return an id for a pipeline that a client makes."""
    return f"pipeline-{secrets.token_hex(4)}"


def is_made_by_client(pipeline_id: str) -> bool:
    """Say whether this is the id of such a pipeline."""
    return _MADE_BY_CLIENT.fullmatch(pipeline_id) is not None
