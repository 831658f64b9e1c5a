"""The plan of a run: the moment of every send, fixed before the first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlannedSend:
    """One image to be sent: its number, its second (from 1) and its moment in seconds from 0."""

    index: int
    second: int
    at_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Which image leaves when."""

    per_second: tuple[int, ...]
    """Images to send in each second."""
    moments_s: Sequence[float]
    """The moment of each, in seconds from the beginning, in order; those of second n lie in
    [n - 1, n)."""
    source: str
    """Where it came from, such as `list`, `curve ramp`, or the name of a file."""
    digest: str
    """Of the moments: two runs with the same one are asked for the same sends."""

    def sends(self) -> Iterator[PlannedSend]:
        """Yield every send in order."""
        moments = iter(self.moments_s)
        index = 0
        for second, count in enumerate(self.per_second, start=1):
            for _ in range(count):
                yield PlannedSend(index=index, second=second, at_s=next(moments))
                index += 1
