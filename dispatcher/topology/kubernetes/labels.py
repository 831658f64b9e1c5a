"""The labels by which the objects of a pipeline are found in a cluster, and told apart."""

from typing import Final

from dispatcher.topology.configmap import APP_LABEL, StepRecord, labels_of

DRAFT_APP: Final = f"{APP_LABEL}-draft"
"""Takes the place of ``app`` on a record until every object of its pipeline exists."""
CREATION_LABEL: Final = "conveyor/creation"
"""Which request made an object: a name alone does not tell whose it is."""
ENTRY_LABEL: Final = "conveyor/entry"
"""Marks the pods where pictures enter a pipeline, for network policies."""
MANAGER: Final = "conveyor-dispatcher"
"""Who made an object, and the field manager of what is changed about one."""

STEPS_SELECTOR: Final = f"app={APP_LABEL}"
DRAFTS_SELECTOR: Final = f"app={DRAFT_APP}"
RECORDS_SELECTOR: Final = f"app in ({APP_LABEL},{DRAFT_APP})"
"""Records and drafts: only both together tell which pipelines are made to the end."""


def object_labels(record: StepRecord, *, creation: str) -> dict[str, str]:
    """Return the labels of the objects of a step, its record aside from ``app`` included."""
    return {**_common(record), CREATION_LABEL: creation}


def draft_labels(record: StepRecord, *, creation: str) -> dict[str, str]:
    """Return the labels of a record that discovery shall not see yet."""
    return {**object_labels(record, creation=creation), "app": DRAFT_APP}


def pod_labels(record: StepRecord, *, is_entry: bool) -> dict[str, str]:
    """Return the labels of the pods of a step."""
    return {**_common(record), **({ENTRY_LABEL: "true"} if is_entry else {})}


def step_selector(record: StepRecord) -> dict[str, str]:
    """Return the labels that the pods of a step have and no others."""
    return {
        "app": APP_LABEL,
        "pipeline_id": record.key.pipeline_id,
        "step_id": record.key.step_id,
    }


def pipeline_selector(pipeline_id: str) -> str:
    """Return what selects everything of one pipeline, drafts included."""
    return f"pipeline_id={pipeline_id}"


def _common(record: StepRecord) -> dict[str, str]:
    return {
        **labels_of(record),
        "app.kubernetes.io/name": "conveyor-step",
        "app.kubernetes.io/instance": record.name,
        "app.kubernetes.io/component": record.type,
        "app.kubernetes.io/part-of": "conveyor",
        "app.kubernetes.io/managed-by": MANAGER,
    }
