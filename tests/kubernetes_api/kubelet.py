"""The scheduler and the kubelet: pods get an address, become ready, run into trouble, end."""

import time
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Final

from tests.kubernetes_api.deployments import set_status
from tests.kubernetes_api.events import note_event
from tests.kubernetes_api.kinds import BY_NAME, Document, is_leaving, name_of, namespace_of
from tests.kubernetes_api.naming import amount
from tests.kubernetes_api.pod_states import (
    EVENTS,
    Trouble,
    ended,
    message_of,
    running,
    starting,
    troubled,
    unscheduled,
)
from tests.kubernetes_api.processes import PodProcess, ProcessFolder
from tests.kubernetes_api.refusals import Refusal
from tests.kubernetes_api.store import Store

_POD: Final = BY_NAME["Pod"]
_GPU: Final = "nvidia.com/gpu"
_BLOCK: Final = 250
"""Addresses of which the last part differs."""


@dataclass(slots=True)
class Pods:
    """How pods behave; tests set it at any time."""

    ready_after_s: float = 0.0
    """From the making of a pod to its being ready, in seconds."""
    end_after_s: float = 0.0
    """From its deletion to its end."""
    gpus: int = 0
    """That a pod can have."""
    _troubles: dict[str, Trouble] = field(default_factory=dict)
    processes: ProcessFolder | None = None
    """Where pods are real processes; None when they are said to run only."""

    def trouble(self, part_of_name: str, trouble: Trouble) -> None:
        """Have the pods of such a name not work, those included that exist."""
        self._troubles = {**self._troubles, part_of_name: trouble}

    def recover(self) -> None:
        """Have all pods work again."""
        self._troubles = {}

    def trouble_of(self, pod: Document) -> Trouble | None:
        """Return what is wrong with a pod; None when nothing is."""
        wanted = [_gpus(container) for container in pod["spec"]["containers"]]
        if sum(wanted) > self.gpus:
            return Trouble.UNSCHEDULABLE
        name = name_of(pod)
        return next((one for part, one in self._troubles.items() if part in name), None)


@dataclass(slots=True)
class _Life:
    """One pod on the node."""

    address: str
    began_at: float
    ends_at: float | None = None
    process: PodProcess | None = None


class Kubelet:
    """Looks after all pods; called again and again by one thread."""

    def __init__(self, store: Store, pods: Pods) -> None:
        self._store = store
        self._pods = pods
        self._lives: dict[str, _Life] = {}
        self._network = f"127.{SystemRandom().randrange(64, 128)}"
        self._count = SystemRandom().randrange(200) * _BLOCK

    def reconcile(self) -> bool:
        """Take every pod one step further; say whether one will change without being asked."""
        is_busy = False
        existing = set()
        for pod in self._store.all(_POD):
            uid = pod["metadata"]["uid"]
            existing.add(uid)
            is_busy |= self._end(pod) if is_leaving(pod) else self._begin(pod)
        for uid in self._lives.keys() - existing:  # deleted without grace
            life = self._lives.pop(uid)
            if life.process is not None:
                life.process.kill()
        return is_busy

    def close(self) -> None:
        """End all processes."""
        for life in self._lives.values():
            if life.process is not None:
                life.process.kill()
        self._lives.clear()
        if self._pods.processes is not None:
            self._pods.processes.probers.shutdown()

    def _begin(self, pod: Document) -> bool:
        trouble = self._pods.trouble_of(pod)
        if trouble is not None:
            reason, component = EVENTS[trouble]
            note_event(self._store, pod, reason, message_of(trouble, pod), component=component)
        if trouble is Trouble.UNSCHEDULABLE:
            set_status(self._store, _POD, pod, unscheduled(pod))
            return False
        life = self._life(pod)
        if trouble is not None:
            set_status(self._store, _POD, pod, troubled(pod, trouble, life.address))
            return False
        folder = self._pods.processes
        if folder is not None and folder.namespace in ("", namespace_of(pod)):
            return self._run(pod, life, folder)
        is_ready = time.monotonic() - life.began_at >= self._pods.ready_after_s
        set_status(self._store, _POD, pod, running(pod, life.address, is_ready=is_ready))
        return not is_ready

    def _run(self, pod: Document, life: _Life, folder: ProcessFolder) -> bool:
        """Look after a pod that is a process."""
        if life.process is None:
            set_status(self._store, _POD, pod, starting(pod, life.address))
            life.process = PodProcess(pod, address=life.address, folder=folder)
        process = life.process
        process.mount(self._store)
        if process.look():
            status = running(
                pod, life.address, is_ready=process.is_ready, restarts=process.restarts
            )
        else:
            status = ended(pod, life.address, process.exit_code, process.restarts)
        set_status(self._store, _POD, pod, status)
        return True

    def _end(self, pod: Document) -> bool:
        life = self._life(pod)
        now = time.monotonic()
        if life.ends_at is None:
            life.ends_at = now + self._pods.end_after_s
            if life.process is not None:
                life.process.terminate()
        if now < life.ends_at or (life.process is not None and not life.process.is_over()):
            return True
        self._lives.pop(pod["metadata"]["uid"], None)
        try:
            self._store.delete(_POD, namespace_of(pod), name_of(pod))
        except Refusal:
            return False
        return True

    def _life(self, pod: Document) -> _Life:
        uid = pod["metadata"]["uid"]
        if uid not in self._lives:
            self._lives[uid] = _Life(self._next_address(), time.monotonic())
        return self._lives[uid]

    def _next_address(self) -> str:
        self._count += 1
        block, host = divmod(self._count, _BLOCK)
        return f"{self._network}.{block % 256}.{host + 1}"


def _gpus(container: Document) -> float:
    limits = (container.get("resources") or {}).get("limits") or {}
    return amount(limits.get(_GPU, 0))
