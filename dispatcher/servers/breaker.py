"""When a server is asked no more, and when again: pure decisions.

After Nygard's circuit breaker ("Release It!"): failures in a row open it, then nobody is kept
waiting for a server that is away. Whether it is back is tried by a probe and not by a request of
somebody who waits.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """The numbers of the decisions below."""

    failures_to_open: int = 3
    slow_probes_to_open: int = 2
    slow_s: float = 0.25
    """A server that needs longer for next to nothing costs more time than it saves."""
    probe_interval_s: float = 1.0
    suspicious_interval_s: float = 0.1
    """After a slow probe: until it is judged, every caller waits for the slow server."""
    first_pause_s: float = 1.0
    max_pause_s: float = 5.0
    """Half of the time within which all has to be as before once a server is back."""


class Breaker:
    """Knows whether a server is worth asking."""

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self._policy = policy or BreakerPolicy()
        self._failures = 0
        """In a row, since it was last closed."""
        self._slow_probes = 0
        self._pause_s: float | None = None
        """None while it is closed."""

    @property
    def is_open(self) -> bool:
        """Whether the server is not to be asked."""
        return self._pause_s is not None

    def answered(self) -> None:
        """Note that a call was answered."""
        self._failures = 0

    def failed(self) -> None:
        """Note that a call was not answered; one that began before it opened changes nothing."""
        self._failures += 1
        if not self.is_open and self._failures >= self._policy.failures_to_open:
            self._open()

    def probed(self, took_s: float | None, *, is_loop_late: bool = False) -> None:
        """Note how a probe went.

        Args:
            took_s: how long the answer took; None when there was none.
            is_loop_late: whether this process was itself so late that ``took_s`` says nothing.
        """
        is_slow = took_s is not None and took_s > self._policy.slow_s and not is_loop_late
        self._slow_probes = self._slow_probes + 1 if is_slow else 0
        if self._pause_s is not None:
            if took_s is None or is_slow:
                self._pause_s = min(2 * self._pause_s, self._policy.max_pause_s)
            else:
                self._failures, self._pause_s = 0, None
        elif self._slow_probes >= self._policy.slow_probes_to_open:
            self._open()
        elif took_s is None:
            self.failed()
        else:
            self.answered()

    def pause_s(self) -> float:
        """Return how long to wait until the next probe."""
        if self._pause_s is not None:
            return self._pause_s
        is_suspicious = self._slow_probes > 0
        policy = self._policy
        return policy.suspicious_interval_s if is_suspicious else policy.probe_interval_s

    def _open(self) -> None:
        self._pause_s = self._policy.first_pause_s
