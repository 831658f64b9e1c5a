from dispatcher.pipelines.changes import StepChange
from dispatcher.pipelines.flattening import flatten
from dispatcher.pipelines.replica_range import ReplicaRange
from dispatcher.topology.blueprint import (
    bounds_of,
    is_made_by_client,
    new_pipeline_id,
    records_of,
    rerouted,
    scaled,
)
from dispatcher.topology.configmap import parse, render

SPEC = flatten(
    {
        "name": "birds",
        "steps": [
            {"type": "upscaling", "step_id": "up", "params": {"scale": 3}, "preferred_next": 2},
            {"type": "blur", "replicas": 2, "gpu": 1, "volumes": ["cuda"]},
            {"type": "classifier", "resources": {"limits": {"cpu": 1}}},
        ],
    }
)
RECORDS = records_of(SPEC, pipeline_id="pipeline-0123abcd", created_at="2025-06-25T11:22:41")


def test_each_step_has_a_record_that_knows_all_steps() -> None:
    assert [str(record.key) for record in RECORDS] == [
        "pipeline-0123abcd/up",
        "pipeline-0123abcd/1",
        "pipeline-0123abcd/2",
    ]
    assert {len(record.steps) for record in RECORDS} == {3}
    assert RECORDS[0].steps[0] == {
        "id": "up",
        "type": "upscaling",
        "params": {"scale": 3},
        "next_step": "1",
        "preferred_next": "2",
    }
    assert [record.params for record in RECORDS] == [{"scale": 3}, {}, {}]


def test_a_record_carries_all_that_was_asked_for() -> None:
    up, blur, classifier = RECORDS
    assert {record.pipeline_name for record in RECORDS} == {"birds"}
    assert {record.created_at for record in RECORDS} == {"2025-06-25T11:22:41"}
    assert (up.replicas, up.gpu, list(up.volumes)) == (1, 0, [])
    assert (blur.replicas, blur.gpu, list(blur.volumes)) == (2, 1, ["cuda"])
    assert classifier.resources == {"limits": {"cpu": "1"}}


def test_what_is_asked_for_survives_as_text() -> None:
    assert [parse(render(record)) for record in RECORDS] == RECORDS


def test_the_service_of_a_first_step_without_an_id_ends_as_load_tests_expect() -> None:
    (record,) = records_of(
        flatten({"steps": [{"type": "blur"}]}), pipeline_id=new_pipeline_id(), created_at=""
    )
    assert record.name.endswith("step-0")


def test_one_step_prefers_another_and_the_rest_stays() -> None:
    steps = rerouted(RECORDS[0].steps, "1", "2")
    assert [step["preferred_next"] for step in steps] == ["2", "2", None]
    assert rerouted(steps, "1", None) == RECORDS[0].steps


def test_ids_of_pipelines_that_clients_make_are_told_from_all_others() -> None:
    ids = {new_pipeline_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(map(is_made_by_client, ids))
    for other in ("default", "operations", "pipeline-", "pipeline-0123abc", "pipeline-0123abcG"):
        assert not is_made_by_client(other)


def test_a_change_of_a_step_changes_its_record_and_no_more() -> None:
    (record,) = records_of(
        flatten({"steps": [{"type": "blur", "max_replicas": 4}]}), pipeline_id="p", created_at=""
    )
    assert bounds_of(record) == ReplicaRange(1, 4)
    assert scaled(record, StepChange()) == record
    more = scaled(record, StepChange(replicas=3))
    assert (more.replicas, more.replica_range) == (3, ReplicaRange(1, 4))
    fixed = scaled(record, StepChange(replicas=2, replica_range=ReplicaRange(2, 2)))
    assert (fixed.replicas, fixed.replica_range) == (2, None)
    assert bounds_of(scaled(fixed, StepChange(replicas=5))) == ReplicaRange(5, 5)
