import pytest

from dispatcher.errors import UnknownPipelineError
from dispatcher.jobs import OperationSpec
from dispatcher.pipelines.model import Pipeline, StepKey
from dispatcher.pipelines.operations import (
    DEFAULT_PIPELINE,
    OPERATIONS_PIPELINE,
    overrides_for,
    pipeline_for,
)
from dispatcher.pipelines.store import PipelineStore
from step_app.contract.step_types import STEP_TYPES
from tests.dispatcher.records import make_pipeline, make_stage

OPERATIONS = make_pipeline(
    make_stage(pipeline_id=OPERATIONS_PIPELINE, step_type="operations", revision="o1"),
    pipeline_id=OPERATIONS_PIPELINE,
)
DEFAULT = make_pipeline(
    make_stage(params={"model": "resnet18", "top_k": 5}, revision="c1"),
    pipeline_id=DEFAULT_PIPELINE,
)
CHEAP = sorted(name for name, step_type in STEP_TYPES.items() if step_type.is_operation)
RESIZE = OperationSpec("resize", {"size": "50%"})
BLUR = OperationSpec("blur", {"ksize": 5})
CLASSIFIER = OperationSpec("classifier", {"top_k": 3})


def store(*pipelines: Pipeline) -> PipelineStore:
    found = PipelineStore()
    found.replace(pipelines)
    return found


BOTH = (OPERATIONS, DEFAULT)


def test_operations_become_stages_in_their_order() -> None:
    pipeline = pipeline_for([RESIZE, BLUR, RESIZE], store(*BOTH))
    assert pipeline.id == OPERATIONS_PIPELINE
    assert [stage.type for stage in pipeline.stages] == ["resize", "blur", "resize"]
    assert [stage.params for stage in pipeline.stages] == [
        RESIZE.params,
        BLUR.params,
        RESIZE.params,
    ]
    assert [stage.step_id for stage in pipeline.stages] == ["0", "1", "2"]


@pytest.mark.parametrize("step_type", CHEAP)
def test_a_cheap_type_is_run_by_the_pool_of_operations(step_type: str) -> None:
    (stage,) = pipeline_for([OperationSpec(step_type, {})], store(*BOTH)).stages
    assert (stage.key, stage.is_hosted) == (StepKey(OPERATIONS_PIPELINE, "0"), True)
    assert stage.model_revision == "o1"


def test_a_classifier_goes_to_the_pool_of_the_default_pipeline() -> None:
    stage = pipeline_for([RESIZE, CLASSIFIER], store(*BOTH)).stages[1]
    assert (stage.key, stage.is_hosted) == (StepKey(DEFAULT_PIPELINE, "0"), False)
    assert (stage.step_id, stage.model_revision) == ("1", "c1")
    assert stage.params == {"model": "resnet18", "top_k": 5}, "as its replicas are configured"


def test_what_a_classifier_is_asked_for_is_an_override_of_its_configured_params() -> None:
    assert overrides_for([RESIZE, CLASSIFIER, BLUR]) == {"1": {"top_k": 3}}
    assert overrides_for([RESIZE, BLUR]) == {}
    assert overrides_for([]) == {}


def test_without_operations_there_are_no_stages() -> None:
    assert pipeline_for([], store()).stages == ()


@pytest.mark.parametrize(
    ("operation", "pipelines"),
    [
        (RESIZE, (DEFAULT,)),
        (CLASSIFIER, (OPERATIONS,)),
        (RESIZE, ()),
        (CLASSIFIER, (OPERATIONS, make_pipeline(make_stage(step_type="upscaling")))),
    ],
    ids=["no operations", "no classifier", "nothing", "the default pipeline is no classifier"],
)
def test_an_operation_that_no_pool_runs_is_refused(
    operation: OperationSpec, pipelines: tuple[Pipeline, ...]
) -> None:
    with pytest.raises(UnknownPipelineError):
        pipeline_for([operation], store(*pipelines))


def test_equal_operations_have_equal_identities_and_others_have_not() -> None:
    pipelines = store(*BOTH)
    same = [pipeline_for([RESIZE, BLUR], pipelines).identity for _ in range(2)]
    assert same[0] == same[1] is not None
    others = ([BLUR, RESIZE], [RESIZE], [OperationSpec("resize", {"size": "51%"}), BLUR])
    for other in others:
        assert pipeline_for(other, pipelines).identity != same[0]


def test_the_identity_is_unknown_while_the_pool_s_revision_is() -> None:
    unknown = make_pipeline(
        make_stage(pipeline_id=OPERATIONS_PIPELINE, step_type="operations", revision=""),
        pipeline_id=OPERATIONS_PIPELINE,
    )
    assert pipeline_for([RESIZE], store(unknown)).identity is None


def test_a_chain_is_found_though_its_pipeline_is_being_deleted() -> None:
    pipelines = store(*BOTH)
    pipelines.start_deleting(OPERATIONS_PIPELINE)
    assert len(pipeline_for([RESIZE], pipelines).stages) == 1
