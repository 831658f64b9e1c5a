"""How long a connection is waited for: a pure decision over what has been seen of it.

::

    idle ──first byte──▶ head ──complete──▶ body ──complete──▶ idle
     │ 15 s before the     │ 15 s             │ 60 s, and a second more for every
     │ first request,      ▼                  ▼ 64 KiB that came; 1 KiB a second
     │ 75 s after one     408                408
     ▼
    closed             whatever is sent and not taken for 30 s: broken off
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

EARNED_BYTES: Final = 64 * 1024
"""So many bytes of a body give it one second more: what is large may come slowly."""


class Phase(Enum):
    """What a connection is expected to send next."""

    IDLE = auto()  # nothing, or the first byte of a request
    HEAD = auto()  # the rest of a request's line and headers
    BODY = auto()  # the rest of a body


class Verdict(Enum):
    """What shall be done with a connection."""

    KEEP = auto()  # wait on
    CLOSE = auto()  # end it, there is nothing to answer
    TIME_OUT = auto()  # answer that the request took too long, then end it
    BREAK_OFF = auto()  # end it without the answer that its client does not take


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of everything a connection may use."""

    header_timeout_s: float = 15.0
    body_timeout_s: float = 60.0
    idle_timeout_s: float = 75.0
    """Between two requests; longer than clients and proxies pause between polls."""
    write_timeout_s: float = 30.0
    """Within which a client has to take at least a byte of what it asked for."""
    window_s: float = 10.0
    """Over which the rate of a body is measured."""
    least_bytes_per_s: float = 1024.0
    check_every_s: float = 1.0
    max_head_bytes: int = 32 * 1024
    """Of a request's line and headers together."""
    max_headers: int = 100
    max_url_bytes: int = 8 * 1024
    max_pipelined: int = 1000
    """Requests that may wait for the answers to those before them."""
    max_connections: int = 10_000
    reads_body_on_demand: bool = False
    """Whether a body is left in the socket until somebody asks for it."""


@dataclass(slots=True)
class Progress:
    """What was seen of one connection at the last look, in seconds of one monotonic clock."""

    since: float
    """When its phase was first seen; while it is idle, when it was last seen to do anything."""
    phase: Phase = Phase.IDLE
    requests: int = 0
    """How many it has sent so far."""
    body_bytes: int = 0
    """Of the current body."""
    window_at: float = 0.0
    window_bytes: int = 0
    """Of the body when the window began."""
    unsent_bytes: int = 0
    unsent_since: float = 0.0
    """When the unsent bytes became fewer for the last time."""

    def note(self, phase: Phase, now: float, *, requests: int, body_bytes: int) -> None:
        """Take note of what is seen at a look; a phase begins when it is seen for the first time.

        Args:
            phase: what the connection is expected to send next.
            now: the present moment.
            requests: how many it has sent so far, whole.
            body_bytes: how much of the current body has come.
        """
        if phase is not self.phase or requests != self.requests:
            self.phase, self.requests = phase, requests
            self.since = self.window_at = now
            self.window_bytes = body_bytes
        self.body_bytes = body_bytes


def judge(
    progress: Progress,
    now: float,
    limits: Limits,
    *,
    is_answering: bool,
    is_read: bool,
    unsent_bytes: int,
) -> Verdict:
    """Return what shall be done with a connection; moves the windows of what is measured.

    Args:
        progress: what has been seen of it.
        now: the present moment.
        limits: what it may use.
        is_answering: whether a request of its is being worked on.
        is_read: whether we take what it sends; if not, its silence is ours.
        unsent_bytes: what the client has not taken yet, kernel's buffers apart.
    """
    if _is_stuck(progress, now, limits, unsent_bytes):
        return Verdict.BREAK_OFF
    if progress.phase is Phase.HEAD:
        is_over = now - progress.since > limits.header_timeout_s
        return Verdict.TIME_OUT if is_over else Verdict.KEEP
    if progress.phase is Phase.BODY:
        return _judge_body(progress, now, limits, is_read=is_read)
    if is_answering:
        progress.since = now  # it is idle from the answer on
        return Verdict.KEEP
    patience_s = limits.idle_timeout_s if progress.requests else limits.header_timeout_s
    return Verdict.CLOSE if now - progress.since > patience_s else Verdict.KEEP


def _is_stuck(progress: Progress, now: float, limits: Limits, unsent_bytes: int) -> bool:
    if not unsent_bytes or unsent_bytes < progress.unsent_bytes or not progress.unsent_bytes:
        progress.unsent_since = now
    progress.unsent_bytes = unsent_bytes
    return now - progress.unsent_since > limits.write_timeout_s


def _judge_body(progress: Progress, now: float, limits: Limits, *, is_read: bool) -> Verdict:
    if not is_read:
        progress.window_at, progress.window_bytes = now, progress.body_bytes
        return Verdict.KEEP
    earned_s = progress.body_bytes / EARNED_BYTES
    if now - progress.since > limits.body_timeout_s + earned_s:
        return Verdict.TIME_OUT
    elapsed_s = now - progress.window_at
    if elapsed_s >= limits.window_s:
        if progress.body_bytes - progress.window_bytes < limits.least_bytes_per_s * elapsed_s:
            return Verdict.TIME_OUT
        progress.window_at, progress.window_bytes = now, progress.body_bytes
    return Verdict.KEEP
