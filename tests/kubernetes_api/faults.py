"""What goes wrong on purpose: which calls, how, how often."""

import threading
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from tests.kubernetes_api.refusals import Refusal


class Failure(Enum):
    """How a call fails."""

    REFUSED = auto()  # with a Status
    SLOW = auto()  # it is done later
    DROPPED_BEFORE = auto()  # the connection ends and nothing was done
    DROPPED_AFTER = auto()  # it was done, but the connection ends before the answer
    GARBLED = auto()  # it was done, and the answer is no JSON


@dataclass(slots=True)
class Fault:
    """Some calls that fail."""

    failure: Failure
    verb: str | None = None
    """None for any."""
    resource: str | None = None
    """Plural, with ``/`` and the subresource when it is of one; None for any."""
    name: str | None = None
    refusal: Refusal | None = None
    seconds: float = 0.0
    left: int | None = 1
    """How many calls still fail; None for all."""

    def meets(self, verb: str, resource: str, name: str) -> bool:
        """Say whether a call is one of those."""
        return (
            self.left != 0
            and self.verb in (None, verb)
            and self.resource in (None, resource)
            and self.name in (None, name)
        )


@dataclass(slots=True)
class Faults:
    """All faults; the newest comes first."""

    _faults: deque[Fault] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> None:
        """Have calls fail from now on."""
        with self._lock:
            self._faults.appendleft(fault)

    def clear(self) -> None:
        """Have no call fail any more."""
        with self._lock:
            self._faults.clear()

    def take(self, verb: str, resource: str, name: str) -> list[Fault]:
        """Return what a call suffers: delays, and one other failure at most."""
        taken: list[Fault] = []
        with self._lock:
            for fault in self._faults:
                is_delay = fault.failure is Failure.SLOW
                has_one = any(other.failure is not Failure.SLOW for other in taken)
                if fault.meets(verb, resource, name) and (is_delay or not has_one):
                    taken.append(fault)
                    if fault.left is not None:
                        fault.left -= 1
        return taken
