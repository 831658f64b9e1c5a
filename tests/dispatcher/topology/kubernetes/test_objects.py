"""The objects of a pipeline, checked as the cluster checks them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.kubernetes.kinds import Metadata
from dispatcher.topology.kubernetes.objects import objects_of, owned
from dispatcher.topology.kubernetes.permissions import StepPolicy
from step_app.settings import parse_step_config
from tests.dispatcher.topology.kubernetes.making import (
    CREATION,
    admit,
    container,
    documents_of,
    strict_cluster,
)
from tests.dispatcher.topology.kubernetes.pipelines import (
    GENEROUS,
    ID,
    POLICY,
    any_pipeline,
    pipeline_of,
    pod_of,
)
from tests.kubernetes_api.cluster import STEPS_NAMESPACE, Cluster


@pytest.fixture(scope="module")
def strict() -> Iterator[Cluster]:
    """A cluster for the objects of many tests."""
    with strict_cluster() as started:
        yield started


# Whatever is asked for


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(records=any_pipeline())
def test_a_cluster_takes_every_pipeline_that_clients_may_ask_for(
    strict: Cluster, records: Sequence[StepRecord]
) -> None:
    documents = documents_of(records, GENEROUS)
    admit(strict, documents[:3] + documents[-1:], STEPS_NAMESPACE)
    for step in documents:
        environment = {entry["name"]: entry["value"] for entry in container(step)["env"]}
        told = parse_step_config(environment["PIPELINE_CONFIG"])
        assert told.params == next(r for r in records if r.key.step_id == told.step_id).params
        assert len(environment["PIPELINE_CONFIG"]) < 128 * 1024  # Linux takes no longer variable


def test_replicas_are_told_where_spans_go_if_they_go_anywhere() -> None:
    def told(policy: StepPolicy) -> dict[str, str]:
        (step, *_) = documents_of(pipeline_of({"type": "sobel"}), policy)
        return {entry["name"]: entry["value"] for entry in container(step)["env"]}

    traced = replace(POLICY, traces_url="http://collector:4318/v1/traces")
    assert told(traced).items() - told(POLICY).items() == {
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318/v1/traces"),
        ("OTEL_SERVICE_NAME", "conveyor-step"),
    }


_LONG = "\x85" * 330 + ".onnx"
"""A file name of which each character takes six bytes."""


def test_the_longest_pipeline_fits_with_room_to_spare(strict: Cluster) -> None:
    longest = [
        {"type": "upscaling", "step_id": f"{n:02}{'x' * 18}", "params": {"method": _LONG}}
        for n in range(32)
    ]
    documents = documents_of(pipeline_of(*longest))
    admit(strict, documents, STEPS_NAMESPACE)
    assert len(documents[0]["Deployment"]["metadata"]["name"]) == 43
    assert len(documents[0]["ConfigMap"]["data"]["PIPELINE_CONFIG"].encode()) < 256 * 1024


def test_kubernetes_puts_no_variables_into_what_a_replica_is_told() -> None:
    (documents,) = documents_of(
        pipeline_of({"type": "classifier", "params": {"weights": "$(HOME)/$$x"}})
    )
    text = {entry["name"]: entry["value"] for entry in container(documents)["env"]}
    assert "$" not in text["PIPELINE_CONFIG"]
    assert parse_step_config(text["PIPELINE_CONFIG"]).params == {"weights": "$(HOME)/$$x"}


# Names, labels, owners


def test_all_objects_bear_the_name_of_the_record_and_its_labels() -> None:
    for step, record in zip(
        documents_of(pipeline_of({"type": "blur"}, {"type": "classifier"})),
        pipeline_of({"type": "blur"}, {"type": "classifier"}),
        strict=True,
    ):
        assert set(step) == {"ConfigMap", "Service", "Deployment", "PodDisruptionBudget"}
        for kind, document in step.items():
            labels = document["metadata"]["labels"]
            assert document["metadata"]["name"] == record.name
            assert labels["pipeline_id"] == ID
            assert (labels["step_id"], labels["step_type"]) == (record.key.step_id, record.type)
            assert labels["conveyor/creation"] == CREATION
            is_draft = kind == "ConfigMap"  # discovery shall not see half a pipeline
            assert labels["app"] == ("nn-service-draft" if is_draft else "nn-service")


def test_what_belongs_to_a_step_goes_with_its_config_map() -> None:
    (step,) = objects_of(pipeline_of({"type": "blur"}), creation=CREATION, policy=POLICY)
    owner = Metadata(name="owner", uid="some-uid")
    for thing in (step.service, step.deployment, step.disruption_budget):
        (reference,) = owned(thing, owner).metadata.owner_references
        assert (reference.kind, reference.name, reference.uid) == (
            "ConfigMap",
            "owner",
            "some-uid",
        )
        assert not reference.controller
        assert not reference.block_owner_deletion


def test_a_selector_finds_the_pods_of_its_step_and_no_others() -> None:
    first, second = documents_of(pipeline_of({"type": "blur"}, {"type": "blur"}))
    for step, other in ((first, second), (second, first)):
        selectors = [
            step["Service"]["spec"]["selector"],
            step["Deployment"]["spec"]["selector"]["matchLabels"],
            step["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        ]
        pods = pod_of(step["Deployment"])["metadata"]["labels"]
        others = pod_of(other["Deployment"])["metadata"]["labels"]
        for selector in selectors:
            assert selector.items() <= pods.items()
            assert not selector.items() <= others.items()


def test_the_record_leads_to_the_service_and_names_no_address() -> None:
    (step,) = documents_of(pipeline_of({"type": "blur"}))
    config = yaml.safe_load(step["ConfigMap"]["data"]["PIPELINE_CONFIG"])
    assert config["service"] == f"http://{ID}-step-0.{STEPS_NAMESPACE}.svc:5000"
    assert (config["endpoints"], config["ports"]) == ([], [])


@pytest.mark.parametrize("has_node_port", [True, False])
def test_only_the_first_step_is_reached_through_the_nodes(has_node_port: bool) -> None:
    policy = StepPolicy(
        namespace=STEPS_NAMESPACE, image="i", max_batch_size=1, has_node_port=has_node_port
    )
    steps = documents_of(pipeline_of({"type": "blur"}, {"type": "blur"}), policy)
    types = [step["Service"]["spec"]["type"] for step in steps]
    assert types == ["NodePort" if has_node_port else "ClusterIP", "ClusterIP"]
    entries = [pod_of(step["Deployment"])["metadata"]["labels"] for step in steps]
    assert ["conveyor/entry" in labels for labels in entries] == [True, False]
