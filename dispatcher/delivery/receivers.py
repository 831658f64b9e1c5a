"""Whose turn it is: webhooks that are due, by receiver, so that a slow one delays no other."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from dispatcher.jobs import Delivery

MAX_CALLS: Final = 256
"""Most calls that are open at the same time."""
MAX_CALLS_EACH: Final = 64
"""Most of them to one receiver that answers at once."""
MAX_SLOW_CALLS_EACH: Final = 8
"""Most of them to one that takes its time."""
SLOW_AFTER_S: Final = 2.0


@dataclass(slots=True)
class _Receiver:
    waiting: deque[Delivery] = field(default_factory=deque)
    calls: int = 0
    limit: int = 1


class Receivers:
    """Gives out what is due, one receiver after the other.

    Each may have one call open at first, twice as many with each call that it answers, and one
    again when it does not answer: hundreds of receivers would have to fall silent together, or
    dozens be slow, before one of the others had to wait.
    """

    def __init__(self) -> None:
        self._receivers: dict[str, _Receiver] = {}
        self._ready: OrderedDict[str, None] = OrderedDict()
        """Those that have something waiting, and room for a call; whose turn is next is first."""
        self._calls = 0

    def __len__(self) -> int:
        """Return how many receivers are known at the moment."""
        return len(self._receivers)

    def add(self, name: str, delivery: Delivery) -> None:
        """Take what is due at a receiver."""
        self._receivers.setdefault(name, _Receiver()).waiting.append(delivery)
        self._line_up(name)

    def take(self) -> tuple[str, Delivery] | None:
        """Return a receiver and what to send to it now; None when nothing can be sent."""
        if self._calls >= MAX_CALLS or not self._ready:
            return None
        name, _ = self._ready.popitem(last=False)
        receiver = self._receivers[name]
        receiver.calls += 1
        self._calls += 1
        delivery = receiver.waiting.popleft()
        self._line_up(name)
        return name, delivery

    def put_back(self, name: str, *, answered_after_s: float | None) -> None:
        """Take note that a call has ended.

        Args:
            name: of the receiver.
            answered_after_s: how long it took to answer; None when it did not.
        """
        receiver = self._receivers[name]
        receiver.calls -= 1
        self._calls -= 1
        receiver.limit = _next_limit(receiver.limit, answered_after_s)
        if receiver.waiting or receiver.calls:
            self._line_up(name)
        else:
            del self._receivers[name]

    def _line_up(self, name: str) -> None:
        receiver = self._receivers[name]
        if receiver.waiting and receiver.calls < receiver.limit:
            self._ready.setdefault(name)
        else:
            self._ready.pop(name, None)


def _next_limit(limit: int, answered_after_s: float | None) -> int:
    """Return how many calls a receiver may have open after one has ended."""
    if answered_after_s is None:
        return 1
    is_slow = answered_after_s > SLOW_AFTER_S
    return min(2 * limit, MAX_SLOW_CALLS_EACH if is_slow else MAX_CALLS_EACH)
