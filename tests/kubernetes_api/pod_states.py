"""How a pod is, as its status says it: running, ready, or in one of the usual troubles."""

from enum import Enum, auto
from typing import Final

from tests.kubernetes_api.kinds import Document
from tests.kubernetes_api.store import now


class Trouble(Enum):
    """Why a pod does not work."""

    IMAGE_PULL = auto()  # there is no such image
    CRASH_LOOP = auto()  # its process ends again and again
    REFUSES = auto()  # likewise, because what it is told can never work
    OUT_OF_MEMORY = auto()  # likewise, killed for its memory
    CONFIG = auto()  # what its environment names is not there
    VOLUME = auto()  # a volume cannot be mounted: only an event says so
    NEVER_READY = auto()  # it runs and its readiness probe fails
    UNSCHEDULABLE = auto()  # no node has room for it


EVENTS: Final = {
    Trouble.IMAGE_PULL: ("Failed", "kubelet"),
    Trouble.CRASH_LOOP: ("BackOff", "kubelet"),
    Trouble.REFUSES: ("BackOff", "kubelet"),
    Trouble.OUT_OF_MEMORY: ("BackOff", "kubelet"),
    Trouble.CONFIG: ("Failed", "kubelet"),
    Trouble.VOLUME: ("FailedMount", "kubelet"),
    Trouble.NEVER_READY: ("Unhealthy", "kubelet"),
    Trouble.UNSCHEDULABLE: ("FailedScheduling", "default-scheduler"),
}
"""Reason and component of the event that goes with each."""


_LAST_WORDS: Final[dict[Trouble, Document]] = {
    Trouble.CRASH_LOOP: {"exitCode": 1, "reason": "Error", "message": "Traceback\nKeyError: 'x'"},
    Trouble.REFUSES: {
        "exitCode": 78,
        "reason": "Error",
        "message": "error: unknown model 'refuses'\n",
    },
    Trouble.OUT_OF_MEMORY: {"exitCode": 137, "reason": "OOMKilled"},
}


def message_of(trouble: Trouble, pod: Document) -> str:
    """Return what the cluster says about it."""
    container = pod["spec"]["containers"][0]
    image = container["image"]
    return {
        Trouble.IMAGE_PULL: (
            f'Back-off pulling image "{image}": ErrImagePull: failed to resolve reference '
            f'"{image}": not found'
        ),
        Trouble.CRASH_LOOP: (
            f"back-off 10s restarting failed container={container['name']} "
            f"pod={pod['metadata']['name']}"
        ),
        Trouble.REFUSES: f"back-off 10s restarting failed container={container['name']}",
        Trouble.OUT_OF_MEMORY: f"back-off 10s restarting failed container={container['name']}",
        Trouble.CONFIG: 'configmap "missing" not found',
        Trouble.VOLUME: 'MountVolume.SetUp failed for volume "host-cuda": no such folder',
        Trouble.NEVER_READY: "Readiness probe failed: HTTP probe failed with statuscode: 503",
        Trouble.UNSCHEDULABLE: (
            "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. preemption: 0/1 nodes are "
            "available: 1 No preemption victims found for incoming pod."
        ),
    }[trouble]


def unscheduled(pod: Document) -> Document:
    """Return the status of a pod for which there is no room."""
    condition = _condition("PodScheduled", False, "Unschedulable")
    condition["message"] = message_of(Trouble.UNSCHEDULABLE, pod)
    return {"phase": "Pending", "conditions": [condition], "qosClass": "Burstable"}


def troubled(pod: Document, trouble: Trouble, address: str) -> Document:
    """Return the status of a pod that is on a node and does not work."""
    message = message_of(trouble, pod)
    if trouble is Trouble.IMAGE_PULL:
        state: Document = {"waiting": {"reason": "ImagePullBackOff", "message": message}}
        return _status(pod, address, state, phase="Pending")
    if trouble is Trouble.VOLUME:
        return starting(pod, address)
    if trouble is Trouble.CONFIG:
        state = {"waiting": {"reason": "CreateContainerConfigError", "message": message}}
        return _status(pod, address, state, phase="Pending")
    if trouble in _LAST_WORDS:
        state = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
        ended = _LAST_WORDS[trouble]
        return _status(pod, address, state, last={"terminated": ended}, restarts=3)
    return running(pod, address, is_ready=False)


def running(
    pod: Document, address: str, *, is_ready: bool, restarts: int = 0, last: Document | None = None
) -> Document:
    """Return the status of a pod whose process runs."""
    state = {"running": {"startedAt": now()}}
    return _status(pod, address, state, is_ready=is_ready, restarts=restarts, last=last)


def starting(pod: Document, address: str) -> Document:
    """Return the status of a pod whose container is being made."""
    return _status(pod, address, {"waiting": {"reason": "ContainerCreating"}}, phase="Pending")


def ended(pod: Document, address: str, exit_code: int, restarts: int) -> Document:
    """Return the status of a pod whose process has ended and is started again soon."""
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting"}}
    last = {"terminated": {"exitCode": exit_code, "reason": "Error"}}
    return _status(pod, address, state, last=last, restarts=restarts)


def _status(
    pod: Document,
    address: str,
    state: Document,
    *,
    phase: str = "Running",
    is_ready: bool = False,
    restarts: int = 0,
    last: Document | None = None,
) -> Document:
    container = pod["spec"]["containers"][0]
    status = {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": is_ready,
        "started": is_ready,
        "restartCount": restarts,
        "state": state,
        "lastState": last or {},
    }
    has_address = {"podIP": address, "podIPs": [{"ip": address}]} if phase == "Running" else {}
    return {
        "phase": phase,
        **has_address,
        "hostIP": "10.0.0.1",
        "qosClass": "Burstable",
        "conditions": [
            _condition("PodScheduled", True),
            _condition("Initialized", True),
            _condition("ContainersReady", is_ready, "" if is_ready else "ContainersNotReady"),
            _condition("Ready", is_ready, "" if is_ready else "ContainersNotReady"),
        ],
        "containerStatuses": [status],
    }


def _condition(name: str, is_so: bool, reason: str = "") -> Document:
    condition = {
        "type": name,
        "status": "True" if is_so else "False",
        "lastTransitionTime": now(),
    }
    return condition | {"reason": reason} if reason else condition
