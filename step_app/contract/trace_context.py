"""Which trace a piece of work belongs to, after W3C Trace Context.

The headers ``traceparent`` and ``tracestate`` of the Recommendation of 23 November 2021
(https://www.w3.org/TR/trace-context/)::

    00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
       trace id                         span id          flags

What is no valid ``traceparent`` is ignored as if it were not there, and a new trace begins.
"""

import re
from dataclasses import dataclass
from typing import Final

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

_VERSION: Final = "00"
_SAMPLED: Final = 0x01
_KNOWN_FLAGS: Final = 0x03
"""Sampled, and of the second edition: that the trace id is random."""
_TRACEPARENT: Final = re.compile(
    "(?P<version>[0-9a-f]{2})-(?P<trace_id>[0-9a-f]{32})-(?P<span_id>[0-9a-f]{16})"
    "-(?P<flags>[0-9a-f]{2})(?P<rest>-[!-~]*)?"
)
_MAX_TRACEPARENT: Final = 512
_KEY: Final = "(?:[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13}|[a-z][a-z0-9_*/-]{0,255})"
_MEMBER: Final = re.compile(rf"{_KEY}=[ -+\--<>-~]{{0,255}}[!-+\--<>-~]")
_MAX_STATE: Final = 512
_MAX_MEMBERS: Final = 32
_JOB_ID: Final = re.compile("[0-9a-f]{32}")
_NOTHING: Final = "0" * 16


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The span that caused some work, and the trace that both belong to."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""
    flags: int = 0
    state: str = ""
    """What others have to say of the trace: ``tracestate``, passed on as it came."""

    @property
    def is_sampled(self) -> bool:
        """Say whether whoever began the trace records it."""
        return bool(self.flags & _SAMPLED)

    @property
    def traceparent(self) -> str:
        """Return the header that names it."""
        return f"{_VERSION}-{self.trace_id}-{self.span_id}-{self.flags:02x}"

    def headers(self) -> dict[str, str]:
        """Return what a request bears that it causes."""
        headers = {TRACEPARENT: self.traceparent}
        if self.state:
            headers[TRACESTATE] = self.state
        return headers


def read_trace(traceparent: object, tracestate: object = "") -> TraceContext | None:
    """Return the trace that a request belongs to; None when it names none that is valid.

    Args:
        traceparent: the header's value, or whatever somebody has sent in its place.
        tracestate: likewise; one that is not valid, or too long, is left out alone.
    """
    if not isinstance(traceparent, str) or len(traceparent) > _MAX_TRACEPARENT:
        return None
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or found["version"] == "ff":
        return None
    if found["version"] == _VERSION and found["rest"] is not None:
        return None
    if not int(found["trace_id"], 16) or not int(found["span_id"], 16):
        return None
    flags = int(found["flags"], 16) & _KNOWN_FLAGS
    return TraceContext(found["trace_id"], found["span_id"], flags, _read_state(tracestate))


def begun_by(job_id: str) -> TraceContext | None:
    """Return the trace of a job that came without one: its id is the job's own, a UUID.

    So it costs nothing to begin, is the same for whoever asks, and is found by the ticket. None
    when the id is no UUID.
    """
    digits = job_id.replace("-", "")
    span_id = digits[16:]
    if _JOB_ID.fullmatch(digits) is None or span_id == _NOTHING:
        return None
    return TraceContext(digits, span_id)


def _read_state(text: object) -> str:
    """Return a list of members if it is a valid one; else nothing."""
    if not isinstance(text, str) or len(text) > _MAX_STATE:
        return ""
    members = [member for one in text.split(",") if (member := one.strip(" \t"))]
    keys = {member.partition("=")[0] for member in members}
    if len(members) > _MAX_MEMBERS or len(keys) < len(members):
        return ""
    if not all(_MEMBER.fullmatch(member) for member in members):
        return ""
    return ",".join(members)
