import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from dispatcher.pipelines.model import StepKey
from dispatcher.topology.configmap import InvalidRecordError, StepRecord, config_text
from dispatcher.topology.kubernetes.kinds import ConfigMap
from dispatcher.topology.kubernetes.validation import (
    MAX_CONFIG_BYTES,
    ClusterStep,
    read_config_map,
)
from tests.dispatcher.topology.kubernetes.config_maps import (
    NAMESPACE,
    config_map_of,
    config_of,
)

STEPS = config_of()["steps"]
_SHIPPED = Path(__file__).parents[4] / "k8s" / "deployment.yaml"


def read(config_map: ConfigMap) -> ClusterStep:
    return read_config_map(config_map, namespace=NAMESPACE)


def test_a_good_record_is_read() -> None:
    step = read(config_map_of(replicas=3))
    assert step.record.key == StepKey("birds", "0")
    assert (step.record.type, step.record.replicas) == ("classifier", 3)
    assert step.record.endpoints == ()
    assert step.service == "birds-step-0"


def test_what_the_launcher_writes_is_read_back() -> None:
    record = StepRecord(
        key=StepKey("birds", "0"),
        type="classifier",
        steps=tuple(STEPS),
        replicas=2,
        pipeline_name="my-birds",
        created_at="2025-06-25T11:22:41.523565",
        gpu=1,
        volumes=("cuda", "lib"),
        resources={"limits": {"cpu": "2", "memory": "1Gi"}},
    )
    text = config_text(record, service=f"http://birds-step-0.{NAMESPACE}.svc:5000")
    assert read(config_map_of(text=text)) == ClusterStep(record, "birds-step-0")


def test_a_range_of_replicas_is_read() -> None:
    bounds = read(config_map_of(min_replicas=1, max_replicas=4)).record.replica_range
    assert bounds is not None
    assert (bounds.min, bounds.max) == (1, 4)


def test_the_records_that_are_shipped_are_good() -> None:
    documents = list(yaml.safe_load_all(_SHIPPED.read_text()))
    shipped = [each for each in documents if each["kind"] == "ConfigMap"]
    assert shipped
    for document in shipped:
        config_map = msgspec.convert(document, ConfigMap)
        assert read(config_map).service == document["metadata"]["name"]


@pytest.mark.parametrize(
    "service",
    [
        "birds",
        "birds:5000",
        "http://birds:5000",
        f"birds.{NAMESPACE}",
        f"http://birds.{NAMESPACE}.svc:5000",
        f"http://birds.{NAMESPACE}.svc.cluster.local:5000/",
    ],
)
def test_a_service_may_be_named_in_every_way_that_leads_to_it(service: str) -> None:
    assert read(config_map_of(service=service)).service == "birds"


@pytest.mark.parametrize("service", ["", ...])
def test_a_record_without_a_service_takes_whichever_has_its_labels(service: Any) -> None:
    assert read(config_map_of(service=service)).service == ""


@pytest.mark.parametrize(
    "service",
    [
        "http://example.org",
        "https://birds",
        "http://169.254.169.254/latest/meta-data",
        "169.254.169.254",
        "http://[fd00:ec2::254]:80",
        "http://metadata.google.internal",
        "redis.default:6379",
        "http://birds.default.svc:5000",
        "http://birds@example.org",
        "http://birds:5000/path",
        "http://birds:5000?x=1",
        "file:///etc/passwd",
        "birds\n",
        "Birds",
    ],
)
def test_a_record_that_points_elsewhere_is_refused(service: str) -> None:
    with pytest.raises(InvalidRecordError, match="service: it is no Service of the namespace"):
        read(config_map_of(service=service))


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254", "http://example.org", "http://10.0.0.1:6379"]
)
def test_a_record_names_no_address_at_all(url: str) -> None:
    with pytest.raises(InvalidRecordError, match="endpoints: does not fit"):
        read(config_map_of(endpoints=[url]))


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": "http://10.0.0.1"},
        {"steps": [{**STEPS[0], "image": "evil"}]},
        {"steps": []},
        {"steps": [{"id": "0", "type": "shell"}]},
        {"steps": [{"id": "0"}]},
        {"steps": [STEPS[0]] * 2},
        {"steps": [STEPS[1]]},
        {"steps": [{**STEPS[0], "params": {"top_k": "many"}}]},
        {"steps": [{**STEPS[0], "params": {"evil": 1}}]},
        {"steps": [{**STEPS[0], "type": "grayscale", "params": {}}]},
        {"steps": [{**STEPS[0], "id": str(n)} for n in range(10_000)]},
        {"steps": ...},
        {"step_id": ...},
        {"pipeline_id": "../x"},
        {"endpoints": [f"http://10.0.0.1:{n}" for n in range(10_000)]},
        {"replicas": -1},
        {"replicas": True},
        {"replicas": "2"},
        {"replicas": 10**9},
        {"gpu": -1},
        {"volumes": ["/etc"]},
        {"resources": {"limits": {"cpu": ["2"]}}},
        {"name": "Not A Name"},
        {"model_revision": "r" * 10_000},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_what_is_not_exactly_a_record_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRecordError):
        read(config_map_of(**changes))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "[]",
        "{",
        "a: b: c",
        "\x00",
        "- " * 100,
        "!!python/object/apply:os.system ['true']",
        "? [1]\n: 2",
        "[" * 5_000,
        "{a: " * 5_000,
        "\ud800",
        "pipeline_id: birds\n" + yaml.safe_dump(config_of()),
    ],
    ids=lambda text: repr(text)[:30],
)
def test_text_that_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(InvalidRecordError):
        read(config_map_of(text=text))


def test_a_record_cannot_grow_while_it_is_read() -> None:
    laughs = "\n".join(f"a{n + 1}: &a{n + 1} [{f'*a{n}, ' * 9}]" for n in range(9))
    with pytest.raises(InvalidRecordError, match="it has YAML aliases"):
        read(config_map_of(text=f"a0: &a0 [x]\n{laughs}"))


@pytest.mark.parametrize(
    "data", [{}, {"OTHER": "x"}, {"PIPELINE_CONFIG": yaml.safe_dump(config_of()), "more": ""}]
)
def test_a_config_map_with_other_data_is_refused(data: dict[str, str]) -> None:
    with pytest.raises(InvalidRecordError, match="its data is not PIPELINE_CONFIG alone"):
        read(config_map_of(data=data))


def test_a_config_map_with_binary_data_is_refused() -> None:
    with pytest.raises(InvalidRecordError):
        read(config_map_of(binary_data={"x": "AAAA"}))


def test_the_name_must_be_that_of_its_ids_so_that_no_step_is_there_twice() -> None:
    with pytest.raises(InvalidRecordError, match="it is not called birds-step-0"):
        read(config_map_of(name="another"))


@pytest.mark.parametrize(
    "label", [{"pipeline_id": "fish"}, {"step_id": "1"}, {"step_type": "blur"}, {"app": "other"}]
)
def test_labels_must_fit_the_data(label: dict[str, str]) -> None:
    with pytest.raises(InvalidRecordError, match=r"label|step type"):
        read(config_map_of(labels=label))


def test_a_refusal_repeats_nothing_of_the_record() -> None:
    secret = "secret\x1b[31m"
    records: list[dict[str, Any]] = [
        {secret: 1},
        {"resources": {secret: {"cpu": []}}},
        {"model_revision": 5},
    ]
    for changes in records:
        with pytest.raises(InvalidRecordError) as refused:
            read(config_map_of(**changes))
        assert "\x1b" not in str(refused.value)


def test_a_full_mebibyte_is_refused_at_once() -> None:
    with pytest.raises(InvalidRecordError, match=f"more than {MAX_CONFIG_BYTES} bytes"):
        read(config_map_of(text="x: " + "y" * 1024 * 1024))


def test_what_is_small_enough_takes_bounded_time_however_it_is_made() -> None:
    """Quadratic or exponential reading would take minutes."""
    size = MAX_CONFIG_BYTES
    keys = "\n".join(f"k{n}: 1" for n in range(size // 10))
    started = time.monotonic()
    for text in (keys, "- a\n" * (size // 4), "[{a: 1}" + ",{a: 1}" * (size // 7 - 1) + "]"):
        with pytest.raises(InvalidRecordError):
            read(config_map_of(text=text))
    assert time.monotonic() - started < 60
