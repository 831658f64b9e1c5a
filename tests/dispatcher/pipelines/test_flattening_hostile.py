"""Documents that were written to do harm, or by chance."""

import random

import pytest

from dispatcher.errors import InvalidPipelineError
from dispatcher.pipelines.flattening import flatten
from dispatcher.pipelines.step_fields import POSTED_TYPES
from tests.dispatcher.pipelines.test_flattening import Json, blur, ids, links, refusal


@pytest.mark.parametrize(
    "key", ["image", "command", "args", "env", "hostPath", "__proto__", "Type", "id", ""]
)
def test_a_key_that_a_step_does_not_have_is_refused(key: str) -> None:
    detail = refusal(blur(), blur(**{key: "evil.io/x:latest"}))
    assert detail.startswith(f"step 1: unknown key '{key}'; known: ")
    assert "evil" not in detail
    assert f"pipeline: unknown key '{key}'" in refusal(blur(), **{key: 1})


def test_of_what_was_sent_little_comes_back_and_nothing_odd() -> None:
    nasty = "<script>\u202e\x00\n" + "x" * 5_000
    for detail in (
        refusal({"type": nasty}),
        refusal(blur(**{nasty: 1})),
        refusal(blur(params={nasty: 1})),
        refusal(nasty),
        refusal(blur(nasty)),
        refusal(blur(next_step=nasty)),
        refusal(blur(), name=nasty),
    ):
        assert detail.isascii()
        assert detail.isprintable()
        assert "x" * 41 not in detail


def odd_value(dice: random.Random, depth: int = 0) -> object:
    plain: list[object] = [
        None, True, 0, 1, -1, 2.5, 10**30, "", "0", "1", "blur", "classifier", "\ud800", "cuda",
    ]  # fmt: skip
    kind = dice.random()
    if depth > 3 or kind < 0.6:
        return dice.choice(plain)
    if kind < 0.8:
        return [odd_value(dice, depth + 1) for _ in range(dice.randrange(3))]
    return {str(odd_value(dice, 9)): odd_value(dice, depth + 1) for _ in range(dice.randrange(3))}


def odd_step(dice: random.Random, depth: int = 0) -> Json:
    step: Json = {"type": dice.choice([*POSTED_TYPES, "teleport"])}
    good: Json = {
        "step_id": dice.randrange(4),
        "next_step": dice.randrange(5),
        "preferred_next": dice.randrange(5),
        "replicas": dice.randint(1, 3),
        "params": {"ksize": 3},
        "gpu": 1,
        "volumes": ["lib"],
        "resources": {"limits": {"cpu": 1}},
    }
    for key, value in good.items():
        chance = dice.random()
        if chance < 0.3:
            step[key] = value if chance < 0.25 else odd_value(dice)
    if depth < 3 and dice.random() < 0.3:
        step["steps"] = [odd_step(dice, depth + 1) for _ in range(dice.randrange(3))]
    return step


@pytest.mark.parametrize("seed", range(4))
def test_a_document_is_a_whole_pipeline_or_one_refusal(seed: int) -> None:
    dice = random.Random(seed)
    taken = 0
    for _ in range(1_000):
        document = {"steps": [odd_step(dice) for _ in range(dice.randrange(4))]}
        try:
            spec = flatten(document)
        except InvalidPipelineError as refused:
            assert len(refused.detail) < 500
            continue
        taken += 1
        assert len(set(ids(spec))) == len(spec.steps) > 0
        assert links(spec) == [*ids(spec)[1:], None]
        for number, step in enumerate(spec.steps):
            assert step.preferred_next is None or step.preferred_next in ids(spec)[number + 1 :]
            assert step.type != "classifier" or number == len(spec.steps) - 1
    assert taken > 20
