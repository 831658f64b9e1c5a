"""Why a pod does not start, read from what the cluster says."""

from typing import Any

import msgspec
import pytest

from dispatcher.topology.kubernetes.observed import Deployment, Event, Pod
from dispatcher.topology.kubernetes.pods import is_silent, trouble_of
from tests.kubernetes_api.kinds import Document

DEPLOYMENT: Document = {"metadata": {"name": "d"}, "spec": {"replicas": 1}}
WELL: Document = {
    "metadata": {"name": "well"},
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "step", "ready": True, "state": {"running": {}}}],
    },
}


def deployment(**status: Any) -> Deployment:
    return msgspec.convert({**DEPLOYMENT, "status": status}, Deployment)


def pod(**status: Any) -> Pod:
    return msgspec.convert({"metadata": {"name": "p"}, "status": status}, Pod)


def container(**status: Any) -> Pod:
    """A pod whose container is like this."""
    return pod(phase="Pending", containerStatuses=[{"name": "step", "ready": False, **status}])


def ended(status: int, reason: str = "Error", message: str = "") -> Document:
    return {"terminated": {"exitCode": status, "reason": reason, "message": message}}


@pytest.mark.parametrize(
    ("found", "reason", "is_final"),
    [
        (
            container(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such"}}),
            "ImagePullBackOff: no such",
            False,
        ),
        (
            container(state={"waiting": {"reason": "InvalidImageName", "message": "x y"}}),
            "InvalidImageName: x y",
            True,
        ),
        (
            container(
                state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                lastState=ended(78, message="INFO starting\nerror: unknown model 'x'\n"),
            ),
            "unknown model 'x'",
            True,
        ),
        (
            container(state={"running": {}}, lastState=ended(137, "OOMKilled")),
            "OOMKilled with status 137",
            False,
        ),
        (
            container(state=ended(1, message="Traceback\nKeyError: 'x'\n")),
            "it ended with status 1: KeyError: 'x'",
            False,
        ),
        (
            pod(
                phase="Pending",
                conditions=[
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
                    }
                ],
            ),
            "Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
            False,
        ),
        (
            pod(phase="Failed", reason="Evicted", message="The node was low on memory."),
            "Evicted: The node was low on memory.",
            False,
        ),
    ],
)
def test_a_pod_that_does_not_start_says_why(found: Pod, reason: str, is_final: bool) -> None:
    trouble = trouble_of(deployment(), [msgspec.convert(WELL, Pod), found])
    assert trouble is not None
    assert (trouble.reason, trouble.is_final) == (reason, is_final)


def test_what_can_never_start_is_told_before_what_may() -> None:
    may = container(state={"waiting": {"reason": "ImagePullBackOff"}})
    never = container(state={"waiting": {"reason": "ErrImageNeverPull"}})
    trouble = trouble_of(deployment(), [may, never])
    assert trouble is not None
    assert trouble.reason == "ErrImageNeverPull"


@pytest.mark.parametrize(
    ("reason", "message", "is_final"),
    [
        ("FailedCreate", 'pods "x" is forbidden: exceeded quota: steps', False),
        ("FailedCreate", 'pods "x" is forbidden: violates PodSecurity "restricted:latest"', True),
    ],
)
def test_pods_that_cannot_even_be_made_are_explained(
    reason: str, message: str, is_final: bool
) -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": message}
    trouble = trouble_of(deployment(conditions=[refused]), [])
    assert trouble is not None
    assert (trouble.reason, trouble.is_final) == (f"{reason}: {message}", is_final)


def test_a_step_that_gets_ready_nowhere_is_told_in_the_end() -> None:
    running = pod(phase="Running", conditions=[{"type": "Ready", "status": "False"}])
    stalled = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": 'ReplicaSet "x" has timed out progressing.',
    }
    trouble = trouble_of(deployment(conditions=[stalled]), [running])
    assert trouble is not None
    assert trouble.reason.startswith("ProgressDeadlineExceeded: ReplicaSet")


def test_a_step_whose_deployment_was_deleted_says_so() -> None:
    trouble = trouble_of(None, [])
    assert trouble is not None
    assert trouble.is_final


def test_events_are_asked_for_when_a_pod_says_nothing_of_itself() -> None:
    silent = container(state={"waiting": {"reason": "ContainerCreating"}})
    assert is_silent([silent])
    assert trouble_of(deployment(), [silent]) is None
    events = [
        event("p", "FailedMount", "hostPath type check failed: /usr/local/cuda is not a directory"),
        event("other", "FailedMount", "of another pod"),
        event("p", "Unhealthy", "Startup probe failed"),
    ]
    trouble = trouble_of(deployment(), [silent], events)
    assert trouble is not None
    assert trouble.reason == (
        "FailedMount: hostPath type check failed: /usr/local/cuda is not a directory"
    )


def event(name: str, reason: str, message: str) -> Event:
    document = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": name},
        "type": "Warning",
        "reason": reason,
        "message": message,
    }
    return msgspec.convert(document, Event)


def test_a_replica_that_starts_as_it_should_is_no_trouble() -> None:
    starting = pod(
        phase="Running",
        containerStatuses=[{"name": "step", "ready": False, "state": {"running": {}}}],
    )
    assert trouble_of(deployment(), [starting]) is None
    assert not is_silent([starting])


def test_a_pod_that_is_told_to_end_is_no_trouble() -> None:
    leaving = msgspec.convert(
        {
            "metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"phase": "Failed", "reason": "Error", "message": "it ended"},
        },
        Pod,
    )
    assert not leaving.is_ready
    assert trouble_of(deployment(), [leaving]) is None
