"""Made-up states of pipelines."""

from collections.abc import Mapping
from typing import Any

from dispatcher.topology.status import (
    Entry,
    PipelineStatus,
    ReplicaCounts,
    StepStatus,
    TopologyState,
)


def pipeline(
    pipeline_id: str,
    *,
    name: str | None = None,
    replicas: int = 1,
    max_replicas: int | None = None,
    step_type: str = "blur",
    params: Mapping[str, Any] | None = None,
) -> PipelineStatus:
    """A pipeline of one step, as a launcher tells of it."""
    step = StepStatus(
        step_id="0",
        type=step_type,
        params=params or {},
        next_step=None,
        preferred_next=None,
        replicas=ReplicaCounts(
            desired=replicas, running=0, ready=0, min=replicas, max=max_replicas or replicas
        ),
        state=TopologyState.STARTING,
        reason=None,
        endpoints=(),
        gpu=0,
        volumes=(),
        resources={},
    )
    return PipelineStatus(
        pipeline_id=pipeline_id,
        name=name,
        state=TopologyState.STARTING,
        steps=[step],
        entry=Entry(step_id="0", url="", process_url=""),
    )
