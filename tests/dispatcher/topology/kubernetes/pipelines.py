"""Pipelines as clients may ask for them, and the policy of an ordinary administrator."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hypothesis import strategies as st
from kubernetes.aio.client import ApiClient

from dispatcher.pipelines.flattening import flatten
from dispatcher.topology.blueprint import records_of
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.kubernetes.objects import StepObjects
from dispatcher.topology.kubernetes.permissions import StepPolicy
from tests.kubernetes_api.cluster import STEPS_NAMESPACE
from tests.kubernetes_api.kinds import Document

ID: Final = "pipeline-00000001"
POLICY: Final = StepPolicy(
    namespace=STEPS_NAMESPACE, image="registry.example/step@sha256:" + "0" * 64, max_batch_size=8
)
GENEROUS: Final = StepPolicy(
    namespace=STEPS_NAMESPACE,
    image="step:0.1.0",
    max_batch_size=8,
    gpu_limit=16,
    volumes={"cuda": "/usr/local/cuda", "lib": "/opt/lib", "jetson-inference": "/opt/jetson"},
)

_SERIALIZER: Final = ApiClient.__new__(ApiClient)
"""As the client serialises, without the connections that it would open."""
_IDS: Final = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?", fullmatch=True)
_AMOUNTS: Final = st.from_regex(
    r"[1-9][0-9]{0,11}(\.[0-9]{1,6})?(m|k|[MGTPE]|[KMGTPE]i)?", fullmatch=True
)
_PAIRS: Final = st.fixed_dictionaries({}, optional={"cpu": _AMOUNTS, "memory": _AMOUNTS})


def pipeline_of(
    *steps: Mapping[str, Any], name: str | None = "mine", pipeline_id: str = ID
) -> list[StepRecord]:
    """Return the records of a pipeline that a client asks for."""
    spec = flatten({"name": name, "steps": list(steps)})
    return records_of(spec, pipeline_id=pipeline_id, created_at="2025-06-25T11:22:41.523565")


@st.composite
def any_pipeline(draw: st.DrawFn) -> Sequence[StepRecord]:
    """Return pipelines that a client may ask for, whose own amounts fit together."""
    ids = draw(st.lists(_IDS, min_size=1, max_size=4, unique=True))
    steps: list[dict[str, Any]] = []
    for step_id in ids[:-1]:
        method = draw(st.sampled_from(["gaussian", "updownsampling", "bilateral", "median"]))
        steps.append({"type": "blur", "params": {"method": method}, "step_id": step_id})
    weights = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
    params = {"model": "efficientnet_lite0", **({"weights": weights} if weights else {})}
    steps.append({"type": "classifier", "params": params, "step_id": ids[-1]})
    for step in steps:
        step["replicas"] = draw(st.integers(1, 64))
        step["gpu"] = draw(st.integers(0, 16))
        step["resources"] = {draw(st.sampled_from(["requests", "limits"])): draw(_PAIRS)}
    name = draw(st.none() | st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True))
    return pipeline_of(*steps, name=_free(name))


def as_documents(step: StepObjects) -> Mapping[str, Document]:
    """Return the objects of a step as they go over the wire, by kind."""
    things = (step.config_map, step.service, step.deployment, step.disruption_budget)
    documents = [_SERIALIZER.sanitize_for_serialization(thing) for thing in things]
    return {document["kind"]: document for document in documents}


def pod_of(deployment: Document) -> Document:
    """Return a pod as the cluster would make it for a Deployment."""
    template = deployment["spec"]["template"]
    name = f"{deployment['metadata']['name']}-0123456789-abcde"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": name},
        "spec": template["spec"],
    }


def _free(name: str | None) -> str | None:
    """Return a name that clients may give."""
    is_taken = name in ("default", "operations") or (name or "").startswith("pipeline-")
    return None if is_taken else name
