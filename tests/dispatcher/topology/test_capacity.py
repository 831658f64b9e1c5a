import pytest

from dispatcher.errors import (
    InvalidPipelineError,
    NotFoundError,
    TooManyPipelinesError,
    TooManyReplicasError,
    UnknownPipelineError,
)
from dispatcher.topology.capacity import (
    MAX_PIPELINES,
    check_name,
    check_pipelines,
    check_replicas,
    find_pipeline,
    find_step,
)
from tests.dispatcher.topology.statuses import pipeline

MADE = "pipeline-0000000"


def test_a_pipeline_is_found_by_its_id_and_then_by_its_name() -> None:
    first, second = pipeline("a", name="b"), pipeline("b", name="c")
    assert find_pipeline("a", [first, second]) is first
    assert find_pipeline("b", [first, second]) is second
    assert find_pipeline("c", [first, second]) is second


@pytest.mark.parametrize("odd", ["d", "", "..", "a,b=c", "*", "x" * 10_000, "\x00", "None"])
def test_whatever_is_no_pipeline_is_unknown(odd: str) -> None:
    with pytest.raises(UnknownPipelineError, match="there is: a, b") as refused:
        find_pipeline(odd, [pipeline("a"), pipeline("b")])
    assert len(refused.value.detail) < 100


def test_a_step_is_found_or_told_which_there_are() -> None:
    assert find_step(pipeline("a"), "0").step_id == "0"
    with pytest.raises(NotFoundError, match="it has: 0"):
        find_step(pipeline("a"), "1")


def test_a_name_is_free_until_it_is_taken() -> None:
    check_name("birds", taken={"cats", None})
    check_name(None, taken={None})
    with pytest.raises(InvalidPipelineError, match="name: there is a pipeline birds already"):
        check_name("birds", taken={"birds"})


def test_there_is_a_most_of_pipelines_and_those_built_in_do_not_count() -> None:
    made = [pipeline(f"pipeline-{number:08x}") for number in range(MAX_PIPELINES)]
    built_in = [pipeline("default"), pipeline("operations")]
    check_pipelines([*built_in, *made[1:]])
    with pytest.raises(TooManyPipelinesError, match=str(MAX_PIPELINES)):
        check_pipelines(made)


def test_there_is_a_most_of_replicas_and_those_built_in_do_not_count() -> None:
    existing = [pipeline("default", replicas=100), pipeline(f"{MADE}1", replicas=3)]
    check_replicas(existing, more=2, limit=5)
    with pytest.raises(TooManyReplicasError, match="the limit is 5"):
        check_replicas(existing, more=3, limit=5)


def test_fewer_replicas_are_well_even_above_the_limit() -> None:
    check_replicas([pipeline(f"{MADE}1", replicas=9)], more=-1, limit=5)
    check_replicas([pipeline(f"{MADE}1", replicas=9)], more=0, limit=5)


def test_a_step_that_follows_its_load_counts_with_the_most_it_can_have() -> None:
    existing = [pipeline(f"{MADE}1", replicas=1, max_replicas=4)]
    check_replicas(existing, more=1, limit=5)
    with pytest.raises(TooManyReplicasError, match="4 replicas"):
        check_replicas(existing, more=2, limit=5)
