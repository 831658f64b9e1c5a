"""How many replicas a step has, and between which bounds they may follow its load."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dispatcher.errors import InvalidPipelineError
from dispatcher.pipelines.step_fields import MAX_REPLICAS, read_integer

REPLICA_KEYS: Final = ("replicas", "min_replicas", "max_replicas")
"""What a client may say of them."""


@dataclass(frozen=True, slots=True)
class ReplicaRange:
    """Fewest and most replicas of a step."""

    min: int
    max: int

    @property
    def is_open(self) -> bool:
        """Say whether there is anything to choose."""
        return self.min < self.max

    def clamp(self, replicas: int) -> int:
        """Return the number within the range that is nearest."""
        return min(max(replicas, self.min), self.max)


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many replicas a step shall have."""

    count: int
    range: ReplicaRange

    @classmethod
    def fixed(cls, count: int) -> "Replicas":
        """Return a number that follows nothing."""
        return cls(count, ReplicaRange(count, count))


def read_replicas(raw: Mapping[str, Any], *, where: str) -> Replicas:
    """Return how many replicas a new step shall have.

    What is not said follows from the rest: the number is the fewest, or else one; the fewest and
    the most are the number, so that nothing scales by itself unless it is asked for.

    Args:
        raw: the step as the client wrote it.
        where: what an error calls the step.

    Raises:
        InvalidPipelineError: that cannot be.
    """
    given = _given(raw, where=where)
    count = given.get("replicas", given.get("min_replicas", 1))
    return _checked(given, count=count, otherwise=ReplicaRange(count, count), where=where)


def read_changed_replicas(raw: Mapping[str, Any], now: Replicas, *, where: str) -> Replicas:
    """Return how many replicas a step shall have after a change.

    A bound that is not given stays. The number alone moves within the bounds, and the bounds of
    a step that has no range move with it; bounds alone move the number as far as they must.

    Args:
        raw: the change as the client wrote it.
        now: what the step has.
        where: what an error calls the step.

    Raises:
        InvalidPipelineError: that cannot be.
    """
    given = _given(raw, where=where)
    if not now.range.is_open:
        now = Replicas.fixed(given.get("replicas", now.count))
    if "replicas" in given:
        return _checked(given, count=given["replicas"], otherwise=now.range, where=where)
    checked = _checked(given, count=None, otherwise=now.range, where=where)
    return Replicas(checked.range.clamp(now.count), checked.range)


def _given(raw: Mapping[str, Any], *, where: str) -> dict[str, int]:
    return {
        key: read_integer(raw[key], low=1, high=MAX_REPLICAS, where=f"{where}: {key}")
        for key in REPLICA_KEYS
        if key in raw
    }


def _checked(
    given: Mapping[str, int], *, count: int | None, otherwise: ReplicaRange, where: str
) -> Replicas:
    """Put together what was given and what holds otherwise."""
    low = given.get("min_replicas", otherwise.min)
    high = given.get("max_replicas", otherwise.max)
    if low > high:
        raise InvalidPipelineError(
            f"{where}: min_replicas is {low} and must not be more than max_replicas, {high}."
        )
    if count is None:
        return Replicas(low, ReplicaRange(low, high))
    if not low <= count <= high:
        raise InvalidPipelineError(
            f"{where}: replicas must be a whole number from {low}, min_replicas, to {high}, "
            "max_replicas."
        )
    return Replicas(count, ReplicaRange(low, high))
