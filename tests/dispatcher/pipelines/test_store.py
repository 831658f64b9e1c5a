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


def test_who_asks_for_an_unknown_pipeline_learns_which_there_are() -> None:
    store = PipelineStore()
    with pytest.raises(UnknownPipelineError, match="there is: none"):
        store.get("default")
    store.replace([make_pipeline(pipeline_id="b"), make_pipeline(pipeline_id="a")])
    with pytest.raises(UnknownPipelineError, match="there is: a, b") as refusal:
        store.get("<script>")
    assert "script" not in refusal.value.detail
