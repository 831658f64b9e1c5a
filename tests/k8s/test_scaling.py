"""KEDA adds replicas at a length that the queue really has, also in a long overload."""

from typing import Final

import pytest

from dispatcher.intake.admission import Limits
from tests.k8s.manifests import Document, dispatcher_pod, get, pod_of

_NAMES: Final = ("default-step-0", "dispatcher-worker")
_TOLERANCE: Final = 1.1
"""A HorizontalPodAutoscaler adds nobody for less than a tenth more than is wanted."""


def _scaled(name: str) -> Document:
    found = get("shared", "ScaledObject", name)["spec"]
    assert isinstance(found, dict)
    return found


def _target(name: str) -> int:
    """Return the messages that are wanted for each."""
    (trigger,) = _scaled(name)["triggers"]
    return int(trigger["metadata"]["value"])


def _standing() -> float:
    """Return the messages for each replica once images have been refused for long."""
    step = pod_of(get("shared", "Deployment", "default-step-0"))
    # Two requests for each replica: what a pool calls its slots.
    return Limits().standing_share * 2 * int(step.environment["MAX_BATCH_SIZE"])


@pytest.mark.parametrize("name", _NAMES)
def test_a_queue_that_is_not_full_yet_asks_for_one_more(name: str) -> None:
    capacity = int(dispatcher_pod("shared").environment["DISPATCHER_QUEUE_CAPACITY"])
    assert _target(name) * (_scaled(name)["minReplicaCount"] + 1) < capacity


def test_a_long_overload_asks_for_replicas_up_to_the_last() -> None:
    assert _target("default-step-0") * _TOLERANCE < _standing()


def test_a_long_overload_asks_for_more_workers_than_the_least() -> None:
    messages = _standing() * _scaled("default-step-0")["maxReplicaCount"]
    least = _scaled("dispatcher-worker")["minReplicaCount"]
    assert _target("dispatcher-worker") * (least + 1) * _TOLERANCE < messages
