"""What is recorded of work while it is traced, by whatever means; nothing unless told.

A span is a stretch of work: what it was, when, what caused it, and how it ended. Whoever causes
more work passes ``span.context`` on; where nothing is recorded that is the context that came in,
so that a trace goes through all the same.
"""

import time
from asyncio import CancelledError
from collections.abc import Mapping
from enum import StrEnum
from types import TracebackType
from typing import Final, Protocol, Self

from step_app.contract.trace_context import TraceContext

Attributes = Mapping[str, str | int | float | bool]


class SpanKind(StrEnum):
    """On which side of a call a span is."""

    INTERNAL = "internal"  # on neither
    SERVER = "server"  # answers somebody's request
    CLIENT = "client"  # waits for somebody's answer


class Span(Protocol):
    """A stretch of work that has begun; as a context manager, one that ends with the block."""

    @property
    def context(self) -> TraceContext | None:
        """What work that it causes belongs to."""
        ...

    @property
    def is_recorded(self) -> bool:
        """Say whether anybody will see it: else there is no need to describe it."""
        ...

    def note(self, attributes: Attributes) -> None:
        """Say more of it."""
        ...

    def end(self, *, error: str = "", at: float | None = None) -> None:
        """End it.

        Args:
            error: code of what went wrong; empty when nothing did.
            at: when it ended, Unix seconds; now unless told.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None: ...


class Tracer(Protocol):
    """Begins spans."""

    def begin(
        self,
        name: str,
        *,
        parent: TraceContext | None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes | None = None,
        at: float | None = None,
    ) -> Span:
        """Begin a span.

        Args:
            name: what is done, one of few.
            parent: what caused it; None begins a trace.
            kind: on which side of a call it is.
            attributes: what is known of it.
            at: when it began, Unix seconds; now unless told.
        """
        ...

    def close(self) -> None:
        """Let go of what was recorded, within seconds; what cannot be delivered is lost."""
        ...


class _Unrecorded:
    """A span that nobody sees; there is one for each context that passes through."""

    __slots__ = ("context",)
    is_recorded = False

    def __init__(self, context: TraceContext | None) -> None:
        self.context = context

    def note(self, attributes: Attributes) -> None:
        """Forget it."""

    def end(self, *, error: str = "", at: float | None = None) -> None:
        """Forget it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        return None


class NoTracing:
    """Records nothing, and passes on what comes in."""

    def begin(
        self,
        name: str,
        *,
        parent: TraceContext | None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes | None = None,
        at: float | None = None,
    ) -> Span:
        """Return a span that is not recorded."""
        return _Unrecorded(parent)

    def close(self) -> None:
        """Nothing to let go of."""


NO_TRACING: Final = NoTracing()


def error_code(error: BaseException) -> str:
    """Return what to call an error: its code in our own trees, else its class."""
    if isinstance(error, CancelledError):
        return "cancelled"  # nobody wants it any more
    return str(getattr(error, "code", type(error).__name__))


def record(
    tracer: Tracer,
    name: str,
    *,
    parent: TraceContext | None,
    began_at: float,
    ended_at: float | None = None,
    attributes: Attributes | None = None,
) -> None:
    """Record a stretch of time that is over, Unix seconds."""
    span = tracer.begin(name, parent=parent, attributes=attributes, at=began_at)
    span.end(at=max(began_at, time.time() if ended_at is None else ended_at))
