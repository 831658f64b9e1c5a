import pytest

from dispatcher.pipelines.model import StepKey, join_revisions
from tests.dispatcher.records import make_pipeline, make_stage


def test_a_step_is_named_by_its_pipeline_and_its_id() -> None:
    assert str(StepKey("default", "0")) == "default/0"


def test_the_revision_of_a_pipeline_is_that_of_all_its_stages_in_order() -> None:
    pipeline = make_pipeline(make_stage("0", revision="r1"), make_stage("1", revision="r2"))
    assert pipeline.revision == join_revisions(["r1", "r2"]) == "r1+r2"


def test_the_identity_is_unknown_while_a_revision_is() -> None:
    pipeline = make_pipeline(make_stage("0", revision="r1"), make_stage("1", revision=""))
    assert pipeline.identity is None
    assert pipeline.identity_with({"0": {"top_k": 3}}) is None


def test_two_pipelines_with_equal_stages_have_one_identity() -> None:
    assert make_pipeline(pipeline_id="a").identity == make_pipeline(pipeline_id="b").identity


def test_the_order_of_params_is_no_part_of_the_identity() -> None:
    one = make_pipeline(make_stage(params={"top_k": 3, "model": "resnet18"}))
    other = make_pipeline(make_stage(params={"model": "resnet18", "top_k": 3}))
    assert one.identity == other.identity


def test_no_override_and_an_empty_one_are_the_same() -> None:
    pipeline = make_pipeline(make_stage(params={"top_k": 3}))
    assert pipeline.identity_with({}) == pipeline.identity_with({"0": {}}) == pipeline.identity


def test_an_override_is_as_good_as_a_configured_param() -> None:
    configured = make_pipeline(make_stage(params={"top_k": 3}))
    overridden = make_pipeline(make_stage(params={"top_k": 5}))
    assert overridden.identity_with({"0": {"top_k": 3}}) == configured.identity
    assert overridden.identity_with({"0": {"top_k": 3}}) != overridden.identity


@pytest.mark.parametrize(
    "other",
    [
        make_pipeline(make_stage(revision="r2")),
        make_pipeline(make_stage(step_type="upscaling")),
        make_pipeline(make_stage(params={"top_k": 4})),
        make_pipeline(make_stage(params={"top_k": "3"})),
        make_pipeline(make_stage(params={"top_k": 3, "model": "resnet18"})),
        make_pipeline(make_stage("0", params={"top_k": 3}), make_stage("1")),
    ],
    ids=["revision", "type", "value", "type of value", "one more param", "one more stage"],
)
def test_whatever_decides_the_result_is_part_of_the_identity(other: object) -> None:
    pipeline = make_pipeline(make_stage(params={"top_k": 3}))
    assert pipeline.identity != getattr(other, "identity", None)


def test_an_override_counts_for_its_own_stage_alone() -> None:
    pipeline = make_pipeline(make_stage("0"), make_stage("1"))
    first, second = ({step: {"top_k": 3}} for step in ("0", "1"))
    assert pipeline.identity_with(first) != pipeline.identity_with(second)
