from typing import Any

import pytest

from dispatcher.errors import InvalidPipelineError
from dispatcher.pipelines.step_fields import (
    MAX_PARAMS_BYTES,
    POSTED_TYPES,
    read_integer,
    read_name,
    read_params,
    read_resources,
    read_step_id,
    read_type,
    read_volumes,
    shown,
)
from step_app.contract.step_types import STEP_TYPES


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("blur", "'blur'"),
        ("a\nb\x00é", "'a?b??'"),
        ("x" * 41, f"'{'x' * 40}'"),
        ({}, "an object"),
        ([1], "a list"),
        (True, "a truth value"),
        (3, "a number"),
        (0.5, "a number"),
        (None, "null"),
    ],
)
def test_what_a_client_wrote_is_shown_cut_and_plain(value: object, text: str) -> None:
    assert shown(value) == text


# Numbers


@pytest.mark.parametrize("value", [1, 2, 64])
def test_a_number_within_its_bounds_is_taken(value: int) -> None:
    assert read_integer(value, low=1, high=64, where="x") == value


@pytest.mark.parametrize("value", [0, 65, -1, 10**9, 1.5, "1", None, True, [], {}])
def test_any_other_number_is_refused_with_its_bounds(value: object) -> None:
    with pytest.raises(InvalidPipelineError, match="x: must be a whole number from 1 to 64"):
        read_integer(value, low=1, high=64, where="x")


# Names


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (31, "31"), ("a", "a"), ("a-1", "a-1")])
def test_an_id_is_a_number_or_part_of_a_kubernetes_name(value: object, text: str) -> None:
    assert read_step_id(value, where="x") == text


def test_an_id_has_twenty_characters_at_most() -> None:
    assert read_step_id("a" * 20, where="x") == "a" * 20
    with pytest.raises(InvalidPipelineError):
        read_step_id("a" * 21, where="x")


NO_IDS: list[object] = [
    "", "A", "a_b", "a.b", "-a", "a-", "a b", "a\n", "ä", "../x", "a,b=c", -1, 1.5, True, None, [],
    {}, 10**30,
]  # fmt: skip


@pytest.mark.parametrize("value", NO_IDS, ids=ascii)
def test_anything_else_is_no_id(value: object) -> None:
    with pytest.raises(InvalidPipelineError, match=r"^x: must be a whole number, or 1 to 20 of"):
        read_step_id(value, where="x")


@pytest.mark.parametrize("value", ["a", "birds-2", "0", "a" * 40, "pipelines", "pipeline", None])
def test_a_pipeline_may_have_a_name(value: str | None) -> None:
    assert read_name(value) == value


@pytest.mark.parametrize(
    "value",
    ["a,b=c", "A_B", "a" * 254, "a" * 41, "../x", "kube-system/x", "", "-a", "a-", "a\n", 3, {}],
    ids=ascii,
)
def test_a_name_that_kubernetes_would_not_take_is_refused(value: object) -> None:
    with pytest.raises(InvalidPipelineError, match=r"^name: must be 1 to 40 of a-z"):
        read_name(value)


@pytest.mark.parametrize("value", ["default", "operations", "pipeline-x", "pipeline-0123abcd"])
def test_a_name_that_could_be_an_id_is_not_free(value: str) -> None:
    with pytest.raises(InvalidPipelineError, match=r"name: .* not free"):
        read_name(value)


# Types and params


def test_every_type_but_the_built_in_pool_may_be_asked_for() -> None:
    assert set(POSTED_TYPES) == set(STEP_TYPES) - {"operations"}
    for name in POSTED_TYPES:
        assert read_type(name, where="x") == name


@pytest.mark.parametrize("value", ["operations", "Blur", "teleport", "", None, 3, [], {}])
def test_an_unknown_type_is_told_which_there_are(value: object) -> None:
    with pytest.raises(InvalidPipelineError, match=r"^x: cannot be .*; types: blur, classifier"):
        read_type(value, where="x")


@pytest.mark.parametrize(
    ("step_type", "params"),
    [
        ("classifier", {}),
        ("classifier", {"model": "resnet18", "top_k": 1000, "weights": None}),
        ("resize", {"size": "50%"}),
        ("grayscale", {"threads": [1, 2, 4]}),
        ("blur", {"output": None}),
    ],
)
def test_params_are_kept_as_they_were_sent(step_type: str, params: dict[str, Any]) -> None:
    assert read_params(params, step_type=step_type, where="x") == params


def test_no_params_are_empty_ones() -> None:
    assert read_params(None, step_type="blur", where="x") == {}


@pytest.mark.parametrize(
    ("step_type", "params", "message"),
    [
        ("blur", {"ksize": 4}, "params.ksize does not fit; it must be"),
        (
            "blur",
            {"colour": 1},
            "params: unknown key 'colour'; known: ksize, method, output, tiles",
        ),
        ("blur", [], "params: must be an object"),
        ("blur", {"output": "gif"}, '"jpg", "png", "webp"'),
        ("classifier", {"top_k": 0}, '"minimum": 1'),
        ("classifier", {"model": "\ud800"}, "no valid Unicode"),
        ("classifier", {"model": "x" * MAX_PARAMS_BYTES}, f"at most {MAX_PARAMS_BYTES} bytes"),
        ("classifier", {"model": "é" * (MAX_PARAMS_BYTES // 4)}, "bytes of JSON"),
        ("resize", {}, "params.size is missing"),
        ("resize", {"size": "huge"}, '"200x300"'),
        ("grayscale", {"threads": [1, 0]}, "params.threads.1 does not fit"),
        ("upscaling", {"method": "/etc/passwd"}, "params.method does not fit"),
    ],
    ids=ascii,
)
def test_params_that_the_type_does_not_take_are_told_what_fits(
    step_type: str, params: object, message: str
) -> None:
    with pytest.raises(InvalidPipelineError) as refused:
        read_params(params, step_type=step_type, where="step 3")
    assert refused.value.detail.startswith("step 3: params")
    assert message in refused.value.detail
    assert "passwd" not in refused.value.detail


# What acts in a cluster


def test_volumes_are_some_of_those_that_hosts_have() -> None:
    assert read_volumes([], where="x") == ()
    assert read_volumes(["lib", "cuda"], where="x") == ("lib", "cuda")
    bad: list[object] = [None, "cuda", ["cuda", "cuda"], ["/etc"], [{"hostPath": "/"}], [[]], {}]
    for value in bad:
        with pytest.raises(InvalidPipelineError, match=r"x: .* cuda, lib, jetson-inference"):
            read_volumes(value, where="x")


@pytest.mark.parametrize("amount", ["500m", "2", "0.5", "512Mi", "1G", "100k", 2, 0.5])
def test_resources_are_kept_as_quantities(amount: object) -> None:
    resources = read_resources({"limits": {"memory": amount}}, where="x")
    assert resources == {"limits": {"memory": str(amount)}}


@pytest.mark.parametrize(
    "amount",
    ["", "m", "-1", "1e3", "1 Gi", "1GB", "1" * 13, "$(SECRET)", None, True, [], -1, 1e300],
)
def test_what_is_no_quantity_is_refused_by_its_place(amount: object) -> None:
    with pytest.raises(InvalidPipelineError, match=r"^x.requests.cpu: must be a quantity"):
        read_resources({"requests": {"cpu": amount}}, where="x")


@pytest.mark.parametrize(
    "resources",
    [None, [], {"limits": None}, {"limit": {}}, {"limits": {"nvidia.com/gpu": 1}}, {"limits": 3}],
)
def test_resources_have_two_kinds_of_two_amounts(resources: object) -> None:
    with pytest.raises(InvalidPipelineError, match=r"^x"):
        read_resources(resources, where="x")
