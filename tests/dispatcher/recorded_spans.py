"""A tracer that keeps what it records, for a test to look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Self

from step_app.contract.spans import Attributes, Span, SpanKind, error_code
from step_app.contract.trace_context import TraceContext

CAUSE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", 1)
"""What a client may have sent."""


@dataclass
class RecordedSpan:
    """A span that stays."""

    name: str
    kind: SpanKind
    context: TraceContext
    parent_id: str
    attributes: dict[str, str | int | float | bool]
    began_at: float | None
    error: str = ""
    ends: int = 0
    is_recorded: bool = True

    def note(self, attributes: Attributes) -> None:
        self.attributes.update(attributes)

    def end(self, *, error: str = "", at: float | None = None) -> None:
        if not self.ends:
            self.error = error
        self.ends += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.end(error="" if error is None else error_code(error))


@dataclass
class Recorder:
    """Begins spans and keeps them, in the order in which they begin."""

    spans: list[RecordedSpan] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def begin(
        self,
        name: str,
        *,
        parent: TraceContext | None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, str | int | float | bool] | None = None,
        at: float | None = None,
    ) -> Span:
        number = next(self.numbers)
        cause = parent or TraceContext(f"{number:032x}", "")
        context = TraceContext(cause.trace_id, f"{number:016x}", 1, cause.state)
        span = RecordedSpan(name, kind, context, cause.span_id, dict(attributes or {}), at)
        self.spans.append(span)
        return span

    def close(self) -> None:
        """Nothing to do."""

    def named(self, name: str) -> list[RecordedSpan]:
        """Return the spans of this name, all of which have ended."""
        found = [span for span in self.spans if span.name == name]
        assert all(span.ends for span in found), f"{name} did not end"
        return found
