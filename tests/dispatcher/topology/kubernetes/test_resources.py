"""How much of a node a pod gets."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils import parse_quantity

from dispatcher.topology.kubernetes.resources import resources_of, threads_of
from tests.dispatcher.topology.kubernetes.pipelines import pipeline_of

AMOUNTS = st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,6})?(m|k|[MGTPE]|[KMGTPE]i)?", fullmatch=True)


def given_to(step_type: str, resources: Mapping[str, Mapping[str, str]]) -> Any:
    (record,) = pipeline_of({"type": step_type, "resources": resources})
    return resources_of(record)


@pytest.mark.parametrize("step_type", ["classifier", "blur"])
@pytest.mark.parametrize("kind", ["requests", "limits"])
@given(text=AMOUNTS)
def test_no_request_is_ever_above_its_limit(step_type: str, kind: str, text: str) -> None:
    if kind == "limits" and not parse_quantity(text):
        return  # refused
    for name in ("cpu", "memory"):
        found = given_to(step_type, {kind: {name: text}})
        for resource, limit in found.limits.items():
            assert 0 <= parse_quantity(found.requests[resource]) <= parse_quantity(limit)
        assert parse_quantity(getattr(found, kind)[name]) >= parse_quantity(text)


def test_a_classifier_gets_more_unless_the_client_says_otherwise() -> None:
    usual, cheap = given_to("classifier", {}), given_to("blur", {})
    assert (usual.limits["cpu"], usual.limits["memory"]) == ("2", "2Gi")
    assert (cheap.limits["cpu"], cheap.limits["memory"]) == ("1", "1Gi")
    asked = given_to("blur", {"requests": {"cpu": "3"}, "limits": {"memory": "100Mi"}})
    assert (asked.requests["cpu"], asked.limits["cpu"]) == ("3", "3")
    assert (asked.requests["memory"], asked.limits["memory"]) == ("100Mi", "100Mi")


@pytest.mark.parametrize(
    ("name", "sent", "kept"),
    [
        ("cpu", "0.0001", "1m"),
        ("cpu", "1.0005", "1001m"),
        ("cpu", "500m", "500m"),
        ("memory", "0.5", "1"),
        ("memory", "1500m", "2"),
        ("memory", "1.5Gi", "1.5Gi"),
    ],
)
def test_amounts_finer_than_kubernetes_counts_are_rounded_up(
    name: str, sent: str, kept: str
) -> None:
    assert given_to("blur", {"limits": {name: sent}}).limits[name] == kept


@pytest.mark.parametrize(
    ("limit", "threads"), [("500m", 1), ("1", 1), ("1900m", 1), ("4", 4), ("2500m", 2)]
)
def test_a_replica_uses_as_many_threads_as_it_has_processors(limit: str, threads: int) -> None:
    (record,) = pipeline_of({"type": "blur", "resources": {"limits": {"cpu": limit}}})
    assert threads_of(record) == threads
