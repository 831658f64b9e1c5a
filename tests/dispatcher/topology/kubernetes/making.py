"""The objects of pipelines as the cluster gets them, and the way into it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.kubernetes.objects import objects_of
from dispatcher.topology.kubernetes.permissions import StepPolicy
from tests.dispatcher.topology.kubernetes.pipelines import (
    GENEROUS,
    POLICY,
    as_documents,
    pipeline_of,
    pod_of,
)
from tests.kubernetes_api.cluster import Cluster, running_cluster
from tests.kubernetes_api.kinds import Document

CREATION: Final = "0123456789abcdef"
OPEN: Final = "open-steps"
"""A namespace whose pods may see folders of their host."""


@contextmanager
def strict_cluster() -> Iterator[Cluster]:
    """Run a cluster that enforces Pod Security ``restricted`` but in one namespace."""
    with running_cluster() as started:
        started.apply({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": OPEN}})
        ends_at = time.monotonic() + 10
        while not started.objects("ServiceAccount", namespace=OPEN):
            assert time.monotonic() < ends_at, "the namespace has no account"
            time.sleep(0.002)
        yield started


def documents_of(
    records: Sequence[StepRecord], policy: StepPolicy = POLICY
) -> list[dict[str, Document]]:
    """Return the objects of a pipeline, step by step, by kind."""
    steps = objects_of(records, creation=CREATION, policy=policy)
    return [dict(as_documents(step)) for step in steps]


def admit(cluster: Cluster, documents: Sequence[dict[str, Document]], namespace: str) -> None:
    """Make the objects, and the pods that would come of them, and remove them again."""
    for step in documents:
        pod = pod_of(step["Deployment"])
        # Its replicas are made here, by hand: the controllers need not be waited for.
        idle = {**step["Deployment"], "spec": {**step["Deployment"]["spec"], "replicas": 0}}
        for document in (*({**step, "Deployment": idle}).values(), pod):
            placed = {**document["metadata"], "namespace": namespace}
            made = cluster.apply({**document, "metadata": placed})
            cluster.remove(made["kind"], made["metadata"]["name"], namespace=namespace)


def one(**step: Any) -> dict[str, Document]:
    """The objects of a pipeline of one step."""
    (documents,) = documents_of(pipeline_of({"type": "blur", **step}), GENEROUS)
    return documents


def container(documents: dict[str, Document]) -> Document:
    """Return the container of a step's pods."""
    (found,) = documents["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(found)
