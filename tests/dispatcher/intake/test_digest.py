"""Result keys: equal if and only if everything that decides the result is equal."""

import hashlib
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from dispatcher.intake.digest import coalescing_key, result_key
from dispatcher.pipelines.model import Pipeline
from tests.dispatcher.records import make_pipeline, make_stage

VALUES: tuple[Any, ...] = (
    3,
    4,
    "3",
    True,
    None,
    3.5,
    "",
    "\u00e9",
    "e\u0301",
    [3],
    ["3"],
    {"a": 3},
)
NAMES = ("top_k", "model", "size", "a")


@dataclass(frozen=True)
class Inputs:
    """Everything that decides a result."""

    digest: str
    stages: tuple[tuple[str, Mapping[str, Any], str], ...]
    """Type, params and revision of each stage."""
    overrides: Mapping[str, Mapping[str, Any]]

    def pipeline(self, pipeline_id: str = "default") -> Pipeline:
        return make_pipeline(
            *(
                make_stage(str(n), pipeline_id=pipeline_id, step_type=t, params=p, revision=r)
                for n, (t, p, r) in enumerate(self.stages)
            ),
            pipeline_id=pipeline_id,
        )

    def meaning(self) -> str:
        """What a result depends on, written out; ``repr`` tells 3, 3.0, "3" and True apart."""
        effective = []
        for number, (step_type, params, revision) in enumerate(self.stages):
            merged = {**params, **self.overrides.get(str(number), {})}
            effective.append((step_type, sorted(merged.items(), key=lambda i: i[0]), revision))
        return repr((self.digest, effective))


def some_params(dice: random.Random) -> dict[str, Any]:
    names = dice.sample(NAMES, dice.randint(0, 2))
    return {name: dice.choice(VALUES) for name in names}


def some_inputs(dice: random.Random) -> Inputs:
    stages = tuple(
        (dice.choice(["classifier", "blur"]), some_params(dice), dice.choice(["r1", "r2"]))
        for _ in range(dice.randint(1, 2))
    )
    overrides = {}
    for number in range(len(stages)):
        if dice.random() < 0.5:
            overrides[str(number)] = some_params(dice)
    return Inputs(dice.choice(["a" * 64, "b" * 64]), stages, overrides)


def key(inputs: Inputs, pipeline_id: str = "default") -> str | None:
    return result_key(inputs.digest, inputs.pipeline(pipeline_id), inputs.overrides)


def in_flight_key(inputs: Inputs) -> str:
    return coalescing_key(inputs.digest, inputs.pipeline(), inputs.overrides)


@pytest.mark.parametrize("seed", range(5))
def test_keys_are_equal_if_and_only_if_all_inputs_are(seed: int) -> None:
    dice = random.Random(seed)
    meaning_by_key: dict[str | None, str] = {}
    key_by_meaning: dict[str, str | None] = {}
    for _ in range(1000):
        inputs = some_inputs(dice)
        found, meaning = key(inputs), inputs.meaning()
        assert meaning_by_key.setdefault(found, meaning) == meaning, "two meanings, one key"
        assert key_by_meaning.setdefault(meaning, found) == found, "one meaning, two keys"
    assert len(meaning_by_key) > 200


@pytest.mark.parametrize("seed", range(5))
def test_work_in_flight_is_never_shared_unless_all_inputs_are_equal(seed: int) -> None:
    dice = random.Random(seed)
    meaning_by_key: dict[str, str] = {}
    for _ in range(1000):
        inputs = some_inputs(dice)
        meaning = inputs.meaning()
        assert meaning_by_key.setdefault(in_flight_key(inputs), meaning) == meaning


def test_the_order_in_which_params_were_written_makes_no_difference() -> None:
    dice = random.Random(1)
    for _ in range(200):
        inputs = some_inputs(dice)
        turned = Inputs(
            inputs.digest,
            tuple((t, dict(reversed(list(p.items()))), r) for t, p, r in inputs.stages),
            {
                s: dict(reversed(list(p.items())))
                for s, p in reversed(list(inputs.overrides.items()))
            },
        )
        assert key(turned) == key(inputs)
        assert in_flight_key(turned) == in_flight_key(inputs)


def test_pipelines_with_equal_stages_share_results() -> None:
    inputs = some_inputs(random.Random(1))
    assert key(inputs, "one") == key(inputs, "other")


def test_a_key_is_64_hexadecimal_digits() -> None:
    found = key(some_inputs(random.Random(1)))
    assert found is not None
    assert re.fullmatch("[0-9a-f]{64}", found)


def test_a_result_has_no_key_while_a_revision_is_unknown() -> None:
    pipeline = make_pipeline(make_stage("0"), make_stage("1", revision=""))
    assert result_key("d" * 64, pipeline, {}) is None
    assert coalescing_key("d" * 64, pipeline, {})


def test_another_revision_never_gives_an_old_answer() -> None:
    old, new = (make_pipeline(make_stage(revision=revision)) for revision in ("r1", "r2"))
    assert result_key("d" * 64, old, {}) != result_key("d" * 64, new, {})
    assert coalescing_key("d" * 64, old, {}) != coalescing_key("d" * 64, new, {})


def test_work_that_began_with_other_params_is_not_joined() -> None:
    before, after = (make_pipeline(make_stage(params={"top_k": k})) for k in (5, 3))
    assert coalescing_key("d" * 64, before, {}) != coalescing_key("d" * 64, after, {})


def test_a_result_is_the_same_however_its_picture_was_cut_but_the_work_is_not() -> None:
    pipeline = make_pipeline(make_stage(step_type="sobel", params={"ksize": 3}))
    whole, cut = {"0": {"tiles": 1}}, {"0": {"tiles": 4}}
    assert result_key("d" * 64, pipeline, whole) == result_key("d" * 64, pipeline, cut)
    assert result_key("d" * 64, pipeline, cut) == result_key("d" * 64, pipeline, {})
    assert coalescing_key("d" * 64, pipeline, whole) != coalescing_key("d" * 64, pipeline, cut)


def test_one_bit_of_the_image_makes_another_key() -> None:
    image = bytearray(b"some image")
    pipeline, keys = make_pipeline(), set()
    for bit in range(8 * len(image)):
        image[bit // 8] ^= 1 << bit % 8
        keys.add(result_key(hashlib.sha256(image).hexdigest(), pipeline, {}))
    assert len(keys) == 8 * len(image)
