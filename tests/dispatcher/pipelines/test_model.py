from dataclasses import replace

import pytest

from dispatcher.pipelines.model import StepKey, join_revisions, stage_identity
from tests.dispatcher.records import make_pipeline, make_stage


def test_a_step_is_named_by_its_pipeline_and_its_id() -> None:
    assert str(StepKey("default", "0")) == "default/0"


def test_a_stage_is_named_by_its_step_unless_it_has_an_id_of_its_own() -> None:
    stage = make_stage("7")
    assert stage.step_id == "7"
    assert replace(stage, id="2").step_id == "2"


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


def test_into_how_many_chunks_a_picture_is_cut_is_no_part_of_the_identity() -> None:
    whole, cut = (make_stage(step_type="sobel", params={"tiles": n, "ksize": 3}) for n in (1, 4))
    assert make_pipeline(whole).identity == make_pipeline(cut).identity
    assert make_pipeline(whole).identity_with({"0": {"tiles": 8}}) == make_pipeline(cut).identity
    assert make_pipeline(whole).work != make_pipeline(cut).work, "who computes is another matter"


def test_a_stage_without_a_revision_has_no_identity() -> None:
    assert stage_identity(make_stage(revision=""), {}) is None
    assert stage_identity(make_stage(revision=""), {"0": {"top_k": 3}}) is None


def test_where_a_stage_runs_is_no_part_of_its_identity() -> None:
    stage = make_stage("0", step_type="blur", params={"ksize": 5})
    elsewhere = replace(stage, key=StepKey("operations", "0"), id="4", is_hosted=True)
    assert stage_identity(stage, {}) == stage_identity(elsewhere, {})


def test_the_identity_of_a_pipeline_is_that_of_its_stages_in_order() -> None:
    one, other = make_stage("0", step_type="blur"), make_stage("1", step_type="sobel")
    assert make_pipeline(one, other).identity == (
        f"[{stage_identity(one, {})},{stage_identity(other, {})}]"
    )
    assert make_pipeline(one, other).identity != make_pipeline(other, one).identity


def test_an_override_counts_for_its_own_stage_alone() -> None:
    pipeline = make_pipeline(make_stage("0"), make_stage("1"))
    first, second = ({step: {"top_k": 3}} for step in ("0", "1"))
    assert pipeline.identity_with(first) != pipeline.identity_with(second)
