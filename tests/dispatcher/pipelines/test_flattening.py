import json
import random
import time
from typing import Any

import pytest

from dispatcher.errors import InvalidPipelineError
from dispatcher.pipelines.flattening import (
    MAX_STEPS,
    PipelineSpec,
    StepSpec,
    check_preferred_next,
    flatten,
)

Json = dict[str, Any]


def blur(step_id: object = None, **more: object) -> Json:
    """A step of a picture, with an id when there is one."""
    own = {} if step_id is None else {"step_id": step_id}
    return {"type": "blur", **own, **more}


def flat(*steps: object, **more: object) -> PipelineSpec:
    return flatten({"steps": list(steps), **more})


def ids(spec: PipelineSpec) -> list[str]:
    return [step.step_id for step in spec.steps]


def links(spec: PipelineSpec) -> list[str | None]:
    return [step.next_step for step in spec.steps]


def refusal(*steps: object, **more: object) -> str:
    with pytest.raises(InvalidPipelineError) as refused:
        flat(*steps, **more)
    return refused.value.detail


# The line


def test_the_example_of_the_reference_system_is_taken_as_it_is() -> None:
    example = """{"steps": [
        {"step_id": 0, "type": "upscaling", "params": {"scale": 2}, "next_step": 1},
        {"step_id": 1, "type": "classifier", "params": {}, "next_step": 2}
    ]}"""
    assert flatten(json.loads(example)) == PipelineSpec(
        name=None,
        steps=(
            StepSpec("0", "upscaling", {"scale": 2}, next_step="1"),
            StepSpec("1", "classifier"),
        ),
    )


def test_what_is_not_said_is_as_usual() -> None:
    (step,) = flat({"type": "classifier"}).steps
    assert step == StepSpec(
        step_id="0",
        type="classifier",
        params={},
        next_step=None,
        preferred_next=None,
        replicas=1,
        gpu=0,
        volumes=(),
        resources={},
    )


def test_all_that_is_said_is_kept() -> None:
    spec = flat(
        blur(
            "first",
            params={"ksize": 7},
            preferred_next=2,
            replicas=3,
            gpu=1,
            volumes=["cuda", "lib"],
            resources={"requests": {"cpu": "500m"}, "limits": {"cpu": 2, "memory": "512Mi"}},
        ),
        blur(1),
        {"type": "classifier"},
        name="mine",
    )
    assert spec.name == "mine"
    assert spec.steps[0] == StepSpec(
        step_id="first",
        type="blur",
        params={"ksize": 7},
        next_step="1",
        preferred_next="2",
        replicas=3,
        gpu=1,
        volumes=("cuda", "lib"),
        resources={"requests": {"cpu": "500m"}, "limits": {"cpu": "2", "memory": "512Mi"}},
    )


def test_nested_steps_come_right_after_their_parent() -> None:
    spec = flat(
        blur("a", steps=[blur("b", steps=[blur("c")]), blur("d")]), blur("e", steps=[]), blur("f")
    )
    assert ids(spec) == list("abcdef")
    assert links(spec) == [*"bcdef", None]


def test_the_id_of_a_step_is_its_position_in_the_line() -> None:
    spec = flat(blur(steps=[blur(steps=[blur()]), blur()]), blur())
    assert ids(spec) == ["0", "1", "2", "3", "4"]


def test_steps_are_in_the_order_in_which_pictures_pass() -> None:
    spec = flat(blur(0, next_step=2), blur(1, next_step=None), blur(2, next_step=1))
    assert ids(spec) == ["0", "2", "1"]
    assert links(spec) == ["2", "1", None]


@pytest.mark.parametrize("end", [None, 6, "6"])
def test_the_end_is_null_or_the_number_after_the_last_steps_own(end: object) -> None:
    assert links(flat(blur(5, next_step=end))) == [None]


@pytest.mark.parametrize("seed", range(50))
def test_any_order_that_the_links_say_is_found(seed: int) -> None:
    dice = random.Random(seed)
    order = [f"s{number}" for number in range(dice.randint(1, MAX_STEPS))]
    steps = [
        blur(name, next_step=following)
        for name, following in zip(order, [*order[1:], None], strict=True)
    ]
    rest = steps[1:]
    dice.shuffle(rest)
    assert ids(flat(steps[0], *rest)) == order


@pytest.mark.parametrize("seed", range(50))
def test_any_nesting_is_flattened_parents_first(seed: int) -> None:
    dice = random.Random(seed)
    roots: list[Json] = []
    everywhere = [roots]
    count = dice.randint(1, MAX_STEPS)
    for _ in range(count):
        step = blur(steps=[])
        dice.choice(everywhere).append(step)
        everywhere.append(step["steps"])

    def preorder(steps: list[Json]) -> list[Json]:
        return [other for step in steps for other in (step, *preorder(step["steps"]))]

    expected = preorder(roots)
    for number, step in enumerate(expected):
        step["step_id"] = f"n{number}"
    assert ids(flat(*roots)) == [f"n{number}" for number in range(count)]


# What is no chain


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "steps: must be a list of at least one step"),
        ([blur(0), blur(0)], "step 0: two steps have this id"),
        ([blur(1), blur()], "step 1: two steps have this id"),
        ([blur(0), blur("0")], "step 0: two steps have this id"),
        ([blur(0, next_step=0)], "step 0: next_step: 0 was passed before, a circle"),
        ([blur(0), blur(1, next_step=0)], "step 1: next_step: 0 was passed before, a circle"),
        (
            [blur(0), blur(1), blur(2, next_step=1), blur(3)],
            "step 2: next_step: 1 was passed before, a circle",
        ),
        ([blur(0, next_step=2), blur(1), blur(2)], "step 1: no next_step leads to it"),
        ([blur(0, next_step=None), blur(1)], "step 1: no next_step leads to it"),
        ([blur(0), blur(1, next_step=9)], "step 1: next_step: there is no such step; steps: 0, 1"),
        ([blur("a"), blur("b", next_step=2)], "step b: next_step: there is no such step"),
        ([blur(0), {"type": "classifier"}, blur(2)], "step 1: a classifier gives JSON"),
        (
            [{"type": "classifier", "step_id": 5, "next_step": 6}, blur(6)],
            "step 5: a classifier gives JSON",
        ),
        ([blur(0, preferred_next=0), blur(1)], "step 0: preferred_next: must be a later step"),
        ([blur(0), blur(1, preferred_next=0)], "step 1: preferred_next: must be a later step"),
        ([blur(0, preferred_next=7), blur(1)], "must be a later step; later steps: 1"),
        ([blur() for _ in range(MAX_STEPS + 1)], f"step {MAX_STEPS}: a pipeline has at most"),
        ([blur(), None], "step 1: must be an object, not null"),
        ([blur(), []], "step 1: must be an object, not a list"),
        (["blur"], "step 0: must be an object, not 'blur'"),
        ([blur(steps=None)], "step 0: steps: must be a list of steps, not null"),
        ([blur(steps={})], "step 0: steps: must be a list of steps, not an object"),
    ],
    ids=str,
)
def test_what_is_no_chain_is_refused_by_the_step(steps: list[object], message: str) -> None:
    assert message in refusal(*steps)


@pytest.mark.parametrize("document", [None, 3, "steps", [], [{"type": "blur"}], True])
def test_what_is_no_object_describes_no_pipeline(document: object) -> None:
    with pytest.raises(InvalidPipelineError, match="pipeline: must be an object"):
        flatten(document)


@pytest.mark.parametrize("steps", [None, {}, "steps", 3])
def test_steps_are_a_list(steps: object) -> None:
    with pytest.raises(InvalidPipelineError, match="steps: must be a list"):
        flatten({"steps": steps})


def test_as_many_steps_as_allowed_are_taken_however_nested() -> None:
    nested = blur()
    for _ in range(MAX_STEPS - 1):
        nested = blur(steps=[nested])
    assert len(flat(nested).steps) == MAX_STEPS
    assert "at most" in refusal(blur(steps=[nested]))


@pytest.mark.parametrize("shape", ["wide", "deep"])
def test_ten_thousand_steps_are_refused_at_once(shape: str) -> None:
    document: Json = {"steps": [{"type": "blur"}] * 10_000}
    if shape == "deep":
        steps: list[Json] = []
        for _ in range(10_000):
            steps = [{"type": "blur", "steps": steps}]
        document = {"steps": steps}
    started = time.process_time()
    with pytest.raises(InvalidPipelineError, match="step 32: a pipeline has at most 32 steps"):
        flatten(document)
    assert time.process_time() - started < 0.1


# Another next step


def test_a_preferred_next_step_comes_later_in_the_line() -> None:
    order = ["0", "a", "2"]
    assert check_preferred_next(2, step_id="0", order=order) == "2"
    assert check_preferred_next("a", step_id="0", order=order) == "a"
    assert check_preferred_next(None, step_id="0", order=order) is None
    wrong: list[object] = [0, "0", 1, "b", True, [], "<"]
    for value in wrong:
        with pytest.raises(InvalidPipelineError, match="step 0: preferred_next"):
            check_preferred_next(value, step_id="0", order=order)
    with pytest.raises(InvalidPipelineError, match="later steps: none"):
        check_preferred_next("0", step_id="2", order=order)
