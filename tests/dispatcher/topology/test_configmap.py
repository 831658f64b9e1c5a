from typing import Any

import pytest
import yaml

from dispatcher.pipelines.model import StepKey
from dispatcher.pipelines.replica_range import ReplicaRange
from dispatcher.topology.configmap import (
    InvalidRecordError,
    StepRecord,
    parse,
    pipelines_of,
    render,
)


def make_record(step_id: str = "0", *, pipeline_id: str = "default", **changes: Any) -> StepRecord:
    known: dict[str, Any] = {
        "key": StepKey(pipeline_id, step_id),
        "type": "classifier",
        "steps": (
            {"id": "0", "type": "classifier", "params": {"top_k": 3}, "next_step": "1"},
            {"id": "1", "type": "classifier", "next_step": None},
        ),
        "endpoints": ("http://127.0.0.1:5000", "http://127.0.0.1:5001"),
        "replicas": 2,
        "model_revision": "r1",
    }
    return StepRecord(**(known | changes))


def document(record: StepRecord | None = None) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(render(record or make_record()))
    return loaded


def with_config(**changes: Any) -> str:
    """A record whose PIPELINE_CONFIG says something else."""
    whole = document()
    config = yaml.safe_load(whole["data"]["PIPELINE_CONFIG"]) | changes
    config = {key: value for key, value in config.items() if value is not ...}
    whole["data"]["PIPELINE_CONFIG"] = yaml.safe_dump(config)
    return yaml.safe_dump(whole)


@pytest.mark.parametrize(
    "record",
    [
        make_record(),
        make_record("1"),
        make_record(endpoints=(), replicas=1, model_revision=""),
        make_record(pipeline_id="bigger-one"),
        make_record("007", steps=({"id": "007", "type": "classifier"},)),
        make_record(pipeline_id="123"),
        make_record(replicas=2, replica_range=ReplicaRange(1, 4)),
        make_record(pipeline_id="true", model_revision="1.0"),
        make_record(
            pipeline_id="pipeline-0123abcd",
            pipeline_name="birds",
            created_at="2025-06-25T11:22:41.523565",
            gpu=1,
            volumes=("cuda", "lib"),
            resources={"limits": {"cpu": "2", "memory": "1Gi"}},
            ports=(40000, 40001),
        ),
        make_record(pipeline_name="123"),
    ],
    ids=str,
)
def test_a_record_is_read_as_it_was_written(record: StepRecord) -> None:
    assert parse(render(record)) == record


def test_a_record_is_a_config_map_of_the_wire_contract() -> None:
    whole = document()
    assert (whole["apiVersion"], whole["kind"]) == ("v1", "ConfigMap")
    assert whole["metadata"]["name"] == "default-step-0"
    assert whole["metadata"]["labels"] == {
        "app": "nn-service",
        "pipeline_id": "default",
        "step_id": "0",
        "step_type": "classifier",
    }
    config = yaml.safe_load(whole["data"]["PIPELINE_CONFIG"])
    assert config["steps"][0] == {
        "id": "0",
        "type": "classifier",
        "params": {"top_k": 3},
        "next_step": "1",
    }
    assert config["service"] == "http://127.0.0.1:5000"
    assert (config["replicas"], config["model_revision"]) == (2, "r1")


def test_its_params_are_those_of_its_own_step() -> None:
    assert make_record("0").params == {"top_k": 3}
    assert make_record("1").params == {}


def test_ids_may_be_written_as_numbers() -> None:
    steps = [{"id": 0, "type": "classifier", "params": {"top_k": 3}}]
    record = parse(with_config(step_id=0, steps=steps))
    assert record.key == StepKey("default", "0")
    assert record.params == {"top_k": 3}


def test_what_is_not_there_is_as_usual() -> None:
    record = parse(with_config(endpoints=..., replicas=..., model_revision=..., service=...))
    assert (record.endpoints, record.replicas, record.model_revision) == ((), 1, "")


def test_the_address_of_a_replica_loses_its_last_slash() -> None:
    record = parse(with_config(endpoints=["http://127.0.0.1:5000/", "https://host/path/"]))
    assert record.endpoints == ("http://127.0.0.1:5000", "https://host/path")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "3",
        "[]",
        "{}",
        "text",
        "kind: ConfigMap",
        "metadata: {labels: null}",
        "a: [1",
        "a: !!python/object/apply:os.system [true]",
        "? [a]\n: b",
        "\x00",
        "2024-99-99",
        "[" * 5_000 + "]" * 5_000,
    ],
    ids=lambda text: ascii(text[:24]),
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(InvalidRecordError):
        parse(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"pipeline_id": ...},
        {"pipeline_id": "other"},
        {"step_id": ...},
        {"step_id": "9"},
        {"steps": ...},
        {"steps": []},
        {"steps": None},
        {"steps": 3},
        {"steps": ["0"]},
        {"steps": [{"type": "classifier"}]},
        {"steps": [{"id": "0"}, {"type": "classifier"}]},
        {"steps": [{"id": "0"}, {"id": "0"}]},
        {"steps": [{"id": "0", "params": [1]}]},
        {"steps": [{"id": "0", "params": "top_k"}]},
        {"replicas": "many"},
        {"replicas": None},
        {"replicas": float("inf")},
        {"replicas": float("nan")},
        {"endpoints": 3},
        {"endpoints": "http://127.0.0.1:5000"},
        {"endpoints": ["127.0.0.1:5000"]},
        {"endpoints": ["file:///etc/passwd"]},
        {"endpoints": ["ftp://host"]},
        {"endpoints": ["http://"]},
        {"endpoints": ["http://user:secret@host"]},
        {"endpoints": ["http://[::1"]},
        {"endpoints": [None]},
        {"name": "A_B"},
        {"name": ["birds"]},
        {"gpu": "many"},
        {"volumes": 3},
        {"resources": ["cpu"]},
        {"resources": {"limits": "1"}},
        {"ports": ["http"]},
        {"ports": [0]},
        {"ports": [70_000]},
        {"ports": 3},
    ],
    ids=str,
)
def test_a_record_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRecordError):
        parse(with_config(**changes))


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("app", "other"),
        ("app", None),
        ("pipeline_id", "other"),
        ("pipeline_id", None),
        ("step_type", "teleport"),
        ("step_type", None),
    ],
)
def test_labels_have_to_fit(label: str, value: str | None) -> None:
    whole = document()
    if value is None:
        del whole["metadata"]["labels"][label]
    else:
        whole["metadata"]["labels"][label] = value
    with pytest.raises(InvalidRecordError):
        parse(yaml.safe_dump(whole))


def test_records_make_up_pipelines_with_their_stages_in_order() -> None:
    records = [
        make_record("1", model_revision="r2"),
        make_record("0"),
        make_record("0", pipeline_id="other"),
    ]
    pipelines = {pipeline.id: pipeline for pipeline in pipelines_of(records)}
    assert list(pipelines) == ["default", "other"]
    stages = pipelines["default"].stages
    assert [str(stage.key) for stage in stages] == ["default/0", "default/1"]
    assert [stage.params for stage in stages] == [{"top_k": 3}, {}]
    assert pipelines["default"].revision == "r1+r2"


def test_a_pipeline_has_the_name_that_its_client_gave_it() -> None:
    (pipeline,) = pipelines_of([make_record(pipeline_name="birds")])
    assert pipeline.name == "birds"


THREE = tuple(
    {"id": number, "type": "blur", "preferred_next": "2" if number == 0 else None}
    for number in range(3)
)


@pytest.mark.parametrize(
    ("active", "route"),
    [("012", "02"), ("01", "01"), ("12", "12"), ("2", "2"), ("02", "02")],
)
def test_pictures_pass_the_preferred_step_while_it_is_active(active: str, route: str) -> None:
    records = [make_record(step_id, type="blur", steps=THREE, endpoints=()) for step_id in active]
    (pipeline,) = pipelines_of(records)
    assert [stage.key.step_id for stage in pipeline.stages] == list(route)


def test_no_records_make_no_pipelines() -> None:
    assert pipelines_of([]) == []


@pytest.mark.parametrize("pipeline_id", ["a/b", "A", "größer", "", "-a", "a" * 64, "../x"])
def test_an_id_that_is_no_kubernetes_name_is_no_record(pipeline_id: str) -> None:
    record = StepRecord(
        key=StepKey(pipeline_id, "0"), type="classifier", steps=({"id": 0, "type": "classifier"},)
    )
    with pytest.raises(InvalidRecordError):
        parse(render(record))


@pytest.mark.parametrize("params", [{"top_k": 0}, {"no": 1}, {"model": 3}])
def test_params_that_the_step_does_not_take_are_no_record(params: dict[str, object]) -> None:
    steps = ({"id": 0, "type": "classifier", "params": params},)
    record = StepRecord(key=StepKey("default", "0"), type="classifier", steps=steps)
    with pytest.raises(InvalidRecordError):
        parse(render(record))


def test_bounds_with_nothing_between_them_are_none() -> None:
    assert parse(with_config(min_replicas=2, max_replicas=2)).replica_range is None


@pytest.mark.parametrize(
    "bounds",
    [
        {"min_replicas": 1}, {"max_replicas": 2}, {"min_replicas": 3, "max_replicas": 2},
        {"min_replicas": 0, "max_replicas": 2}, {"min_replicas": "x", "max_replicas": 2},
    ],
    ids=str,
)  # fmt: skip
def test_bounds_that_are_none_are_no_record(bounds: dict[str, Any]) -> None:
    with pytest.raises(InvalidRecordError):
        parse(with_config(**bounds))
