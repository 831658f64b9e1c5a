"""The default pipeline and the pool of cheap operations are records like those of clients."""

from typing import Final

import pytest
import yaml
from kubernetes.aio.client import ApiClient

from dispatcher.pipelines.operations import DEFAULT_PIPELINE, OPERATIONS_PIPELINE
from dispatcher.topology.configmap import StepRecord, parse, pipelines_of
from dispatcher.topology.kubernetes.permissions import StepPolicy
from dispatcher.topology.kubernetes.pod import pod_template
from step_app.settings import Settings as StepSettings
from step_app.settings import parse_step_config
from tests.k8s.manifests import Document, find, get, pod_of

_documents = object.__new__(ApiClient)
"""Turns objects into documents; never started, so it has no connections to close."""
_PIPELINES: Final = (DEFAULT_PIPELINE, OPERATIONS_PIPELINE)
_MADE_FOR_CLIENTS: Final = frozenset({"records"})
"""Volumes that only pods of several steps need: they forward to each other."""


def _record(pipeline_id: str, name: str = "base") -> StepRecord:
    record = get(name, "ConfigMap", f"{pipeline_id}-step-0", "conveyor-steps")
    return parse(yaml.safe_dump(dict(record)))


@pytest.mark.parametrize("pipeline_id", _PIPELINES)
def test_the_record_describes_a_step_with_valid_params(pipeline_id: str) -> None:
    record = _record(pipeline_id)
    (pipeline,) = pipelines_of([record])
    assert pipeline.id == pipeline_id
    assert record.key.step_id == "0"
    assert record.name == f"{pipeline_id}-step-0"
    assert not record.endpoints  # read from EndpointSlices


@pytest.mark.parametrize("pipeline_id", _PIPELINES)
def test_a_replica_understands_what_its_pod_is_told(
    pipeline_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = pod_of(get("base", "Deployment", f"{pipeline_id}-step-0"))
    for key, value in pod.environment.items():
        monkeypatch.setenv(key, value)
    settings, record = StepSettings(), _record(pipeline_id)
    config = parse_step_config(settings.pipeline_config)
    assert (config.pipeline_id, config.step_id) == (pipeline_id, record.key.step_id)
    assert (config.type, config.params) == (record.type, record.params)
    assert settings.service_port == pod.container["ports"][0]["containerPort"]
    assert settings.pod_namespace == pod.namespace
    assert settings.service_host == "0.0.0.0"
    written = {mount["mountPath"] for mount in pod.container["volumeMounts"]}
    assert str(settings.model_cache_dir) in written
    assert pod.environment["HOME"] in written


@pytest.mark.parametrize("pipeline_id", _PIPELINES)
def test_all_objects_of_a_pipeline_bear_its_labels(pipeline_id: str) -> None:
    record = _record(pipeline_id)
    wanted = {
        "app": "nn-service",
        "pipeline_id": pipeline_id,
        "step_id": "0",
        "step_type": record.type,
    }
    for kind in ("ConfigMap", "Service", "Deployment", "PodDisruptionBudget"):
        found = get("base", kind, record.name, "conveyor-steps")
        assert wanted.items() <= found["metadata"]["labels"].items(), kind
    pod = pod_of(get("base", "Deployment", record.name))
    assert wanted.items() <= pod.labels.items()


def test_the_record_names_its_service() -> None:
    for pipeline_id in _PIPELINES:
        config = yaml.safe_load(
            get("base", "ConfigMap", f"{pipeline_id}-step-0")["data"]["PIPELINE_CONFIG"]
        )
        service = get("base", "Service", f"{pipeline_id}-step-0")
        port = service["spec"]["ports"][0]["port"]
        assert config["service"] == f"http://{pipeline_id}-step-0.conveyor-steps.svc:{port}"


def test_each_step_of_the_base_has_a_record() -> None:
    records = {one["metadata"]["name"] for one in find("base", "ConfigMap", "conveyor-steps")}
    workloads = {one["metadata"]["name"] for one in find("base", "Deployment", "conveyor-steps")}
    assert records == workloads == {f"{pipeline_id}-step-0" for pipeline_id in _PIPELINES}


@pytest.mark.parametrize("pipeline_id", _PIPELINES)
def test_a_pod_is_what_post_pipeline_would_have_made(pipeline_id: str) -> None:
    record = _record(pipeline_id)
    image = "conveyor-step:0.1.0"
    made = _documents.sanitize_for_serialization(
        pod_template(
            record,
            siblings=[record.name],
            is_entry=False,
            policy=StepPolicy(namespace="conveyor-steps", image=image, max_batch_size=8),
        ),
    )["spec"]
    shipped = pod_of(get("base", "Deployment", record.name)).spec
    assert _shape(shipped) == _shape(made)


def _shape(spec: Document) -> Document:
    """Return a pod's spec without what depends on the step or on having siblings."""
    (container,) = spec["containers"]
    own = {"PIPELINE_CONFIG", "MAX_BATCH_SIZE", "STEP_THREADS", "RECORDS_DIR"}
    return {
        **spec,
        "containers": [
            {
                **{key: value for key, value in container.items() if key != "resources"},
                "env": [entry for entry in container["env"] if entry["name"] not in own],
                "volumeMounts": [
                    mount
                    for mount in container["volumeMounts"]
                    if mount["name"] not in _MADE_FOR_CLIENTS
                ],
            }
        ],
        "volumes": [
            volume for volume in spec["volumes"] if volume["name"] not in _MADE_FOR_CLIENTS
        ],
    }
