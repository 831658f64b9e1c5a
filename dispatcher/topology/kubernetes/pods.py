"""Why a replica does not start, or did not stay: pure readings of what the cluster says.

The most telling comes first: what a container said when it ended, what it waits for, where the
pod cannot be placed, why no pod could be made at all. Events are asked for last, since they come
and go; they alone tell of volumes that cannot be mounted.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from dispatcher.topology.kubernetes.observed import (
    ContainerStatus,
    Deployment,
    Event,
    Pod,
    Terminated,
)
from dispatcher.topology.kubernetes.refusals import plain
from step_app.contract.limits import EXIT_CONFIGURATION

_ERROR_LINE: Final = re.compile(r"^error: (.+)$", re.MULTILINE)
"""How a replica says, as its last word, why it can never start."""
_HOPELESS: Final = frozenset(
    {"InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"}
)
"""What a container waits for in vain until somebody changes something."""
_ON_ITS_WAY: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
_STUCK: Final = frozenset({"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"})
"""Events that hold up a pod of which nothing else is said."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with the replicas of a step."""

    reason: str
    is_final: bool = False
    """Whether it can never start as it is configured."""


def trouble_of(
    deployment: Deployment | None, pods: Sequence[Pod], events: Iterable[Event] = ()
) -> Trouble | None:
    """Return why a step has fewer replicas than it should; None when nothing is wrong.

    Args:
        deployment: of the step; None when it is gone.
        pods: of the step.
        events: warnings about any pods, the oldest first.
    """
    if deployment is None:
        return Trouble("the step has no Deployment in the cluster", is_final=True)
    found = [_pod_trouble(pod) for pod in pods if not pod.is_ready and not _is_leaving(pod)]
    troubles = [trouble for trouble in found if trouble is not None]
    worst = sorted(troubles, key=lambda trouble: not trouble.is_final)
    return (
        next(iter(worst), None)
        or _condition_trouble(deployment, "ReplicaFailure", "True")
        or _event_trouble(pods, events)
        or _condition_trouble(deployment, "Progressing", "False")
    )


def is_silent(pods: Sequence[Pod]) -> bool:
    """Say whether a pod that is not running says nothing of itself, so that events may tell."""
    return any(
        not pod.is_ready and pod.status.phase == "Pending" and _pod_trouble(pod) is None
        for pod in pods
        if not _is_leaving(pod)
    )


def _pod_trouble(pod: Pod) -> Trouble | None:
    status = pod.status
    if status.phase == "Failed" and status.reason:
        # Evicted, or shut down together with its node.
        return Trouble(_sentence(status.reason, status.message))
    for container in status.container_statuses or ():
        trouble = _container_trouble(container)
        if trouble is not None:
            return trouble
    for condition in status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return Trouble(_sentence(condition.reason, condition.message))
    return None


def _container_trouble(container: ContainerStatus) -> Trouble | None:
    ended = container.state.terminated or container.last_state.terminated
    if ended is not None and not container.ready:
        return _end_trouble(ended)
    waiting = container.state.waiting
    if waiting is None or waiting.reason in _ON_ITS_WAY:
        return None
    return Trouble(_sentence(waiting.reason, waiting.message), is_final=waiting.reason in _HOPELESS)


def _end_trouble(ended: Terminated) -> Trouble:
    is_final = ended.exit_code == EXIT_CONFIGURATION
    said = _ERROR_LINE.findall(ended.message)
    if said:
        return Trouble(plain(said[-1]), is_final=is_final)
    word = ended.reason if ended.reason not in ("", "Error") else "it ended"
    last_line = next(iter(reversed(ended.message.strip().splitlines())), "")
    return Trouble(_sentence(f"{word} with status {ended.exit_code}", last_line), is_final=is_final)


def _condition_trouble(deployment: Deployment, name: str, status: str) -> Trouble | None:
    """Return what a Deployment says of itself.

    That no pod could be made, because of a quota, Pod Security or an admission policy; or that
    none got ready for ten minutes.
    """
    for condition in deployment.status.conditions or ():
        if (condition.type, condition.status) == (name, status):
            return Trouble(
                _sentence(condition.reason, condition.message),
                is_final="PodSecurity" in condition.message,
            )
    return None


def _event_trouble(pods: Sequence[Pod], events: Iterable[Event]) -> Trouble | None:
    names = {pod.metadata.name for pod in pods if not pod.is_ready and not _is_leaving(pod)}
    told = [
        event
        for event in events
        if event.reason in _STUCK
        and event.involved_object.kind == "Pod"
        and event.involved_object.name in names
    ]
    return Trouble(_sentence(told[-1].reason, told[-1].message)) if told else None


def _is_leaving(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None


def _sentence(reason: str, message: str) -> str:
    return plain(f"{reason}: {message}" if message else reason)
