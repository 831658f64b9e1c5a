import pytest

from dispatcher.errors import UnknownPipelineError
from dispatcher.pipelines.store import PipelineStore
from tests.dispatcher.records import make_pipeline


def test_a_new_set_of_pipelines_takes_the_place_of_the_old_one() -> None:
    store = PipelineStore()
    store.replace([make_pipeline(pipeline_id="a"), make_pipeline(pipeline_id="b")])
    store.replace([make_pipeline(pipeline_id="c"), make_pipeline(pipeline_id="b")])
    assert [pipeline.id for pipeline in store.all()] == ["b", "c"]
    assert store.get("c").id == "c"
    with pytest.raises(UnknownPipelineError):
        store.get("a")
    with pytest.raises(UnknownPipelineError):
        store.find("a")


def test_who_asks_for_an_unknown_pipeline_learns_which_there_are() -> None:
    store = PipelineStore()
    with pytest.raises(UnknownPipelineError, match="there is: none"):
        store.get("default")
    store.replace([make_pipeline(pipeline_id="b"), make_pipeline(pipeline_id="a")])
    with pytest.raises(UnknownPipelineError, match="there is: a, b") as refusal:
        store.get("<script>")
    assert "script" not in refusal.value.detail


def test_a_pipeline_is_found_by_its_name_as_well() -> None:
    store = PipelineStore()
    store.replace([make_pipeline(pipeline_id="pipeline-1", name="birds"), make_pipeline()])
    assert store.get("birds") is store.get("pipeline-1")
    with pytest.raises(UnknownPipelineError):
        store.find("birds")


def test_an_id_goes_before_a_name() -> None:
    store = PipelineStore()
    store.replace(
        [make_pipeline(pipeline_id="a", name="birds"), make_pipeline(pipeline_id="birds")]
    )
    assert store.get("birds").id == "birds"


def test_a_pipeline_that_is_deleted_takes_no_new_work_and_finishes_what_it_has() -> None:
    store = PipelineStore()
    store.replace([make_pipeline(pipeline_id="a", name="birds"), make_pipeline(pipeline_id="b")])
    store.start_deleting("a")
    for name in ("a", "birds"):
        with pytest.raises(UnknownPipelineError, match="there is: b"):
            store.get(name)
    assert [pipeline.id for pipeline in store.all()] == ["b"]
    assert store.find("a").id == "a"
    store.replace([make_pipeline(pipeline_id="a"), make_pipeline(pipeline_id="b")])
    with pytest.raises(UnknownPipelineError):
        store.get("a")


def test_an_id_is_free_again_when_the_records_of_a_deleted_pipeline_are_gone() -> None:
    store = PipelineStore()
    store.replace([make_pipeline(pipeline_id="a")])
    store.start_deleting("a")
    store.replace([])
    store.replace([make_pipeline(pipeline_id="a")])
    assert store.get("a").id == "a"
