"""When chunks are offered to other dispatchers, and when nobody is waited for: pure decisions."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Final

from cachetools import LRUCache

_PACE_WEIGHT: Final = 0.3
_MAX_PACES: Final = 1024


@dataclass(frozen=True, slots=True)
class SharingPolicy:
    """The numbers of the decisions."""

    min_weight_bytes: int = 3_000_000
    """A picture of less than a megapixel, before and after the stage, is not looked at."""
    unknown_weight_bytes: int = 12_000_000
    """While it is not known how long a stage takes, four megapixels are shared."""
    fixed_cost_s: float = 0.03
    """What sharing a picture costs in any case, measured: offers, news, outcomes."""
    cost_s_per_byte: float = 20e-9
    """What it costs to have the picture and its chunks where they are needed, measured."""
    look_every_s: float = 1.0
    """News may be missed: so often a carrier looks by itself, and calls again."""
    patience_s: float = 5.0
    """How long a chunk may wait with nobody at work on it until its carrier computes it."""
    blind_patience_s: float = 15.0
    """The same while nobody can tell who is at work on what."""
    starved_patience_s: float = 60.0
    """The same while no replica is ready here."""
    beat_every_s: float = 1.0
    """How often a dispatcher says what it works on."""
    believed_for_s: float = 5.0
    """For how long it is believed."""
    hesitation_s: float = 0.05
    """How long a dispatcher whose replicas are all at work leaves a chunk to others."""
    keeping_pauses_s: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Between the tries to keep an outcome: another dispatcher may be waiting for it."""
    removed_after_s: float = 30.0
    """How long outcomes stay after they were joined: the job's end may not be kept yet."""
    tidied_every_s: float = 600.0
    """How often it is looked for what was forgotten."""


def is_worth_offering(
    chunks: int, *, here: int, elsewhere: int, chunk_s: float, cost_s: float
) -> bool:
    """Say whether other dispatchers' replicas make a picture ready sooner.

    They do when all replicas together need fewer rounds than those of this dispatcher, and what
    the rounds fewer would take is more than what sharing costs.

    Args:
        chunks: still to be computed.
        here: replicas that are ready here.
        elsewhere: replicas that are ready and known to other dispatchers only.
        chunk_s: how long one chunk takes.
        cost_s: what sharing costs.
    """
    if not chunks or not elsewhere:
        return False
    if not here:
        return True
    rounds = ceil(chunks / here) - ceil(chunks / (here + elsewhere))
    return rounds > 0 and rounds * chunk_s > cost_s


class Paces:
    """Knows how long chunks of each kind of work have taken lately."""

    def __init__(self) -> None:
        self._s_per_byte: LRUCache[str, float] = LRUCache(maxsize=_MAX_PACES)

    def note(self, work: str, duration_s: float, *, weight_bytes: int) -> None:
        """Note how long a replica has taken for one chunk of a picture of this weight."""
        pace = duration_s / max(1, weight_bytes)
        known = self._s_per_byte.get(work, pace)
        self._s_per_byte[work] = known + _PACE_WEIGHT * (pace - known)

    def expected_s(self, work: str, policy: SharingPolicy, *, weight_bytes: int) -> float:
        """Return how long the next chunk is likely to take.

        While nothing is known that is for ever where the picture is large, else no time at all.
        """
        pace = self._s_per_byte.get(work)
        if pace is None:
            return inf if weight_bytes >= policy.unknown_weight_bytes else 0.0
        return pace * weight_bytes


def patience(policy: SharingPolicy, *, is_blind: bool, is_ready: bool) -> float:
    """Return how long a chunk may have nobody at work on it, in seconds.

    Args:
        policy: the numbers.
        is_blind: whether it cannot be told who works on what.
        is_ready: whether a replica is ready here.
    """
    if not is_ready:
        return policy.starved_patience_s
    return policy.blind_patience_s if is_blind else policy.patience_s


@dataclass(slots=True)
class Attention:
    """Knows for how long each chunk has had nobody at work on it."""

    _idle_since: dict[str, float] = field(default_factory=dict)

    def neglected(
        self, paths: Iterable[str], *, in_work: Collection[str], patience_s: float, now: float
    ) -> list[str]:
        """Return the chunks that nobody has been at work on for so long.

        Args:
            paths: of the chunks that are waited for.
            in_work: those that somebody computes, as far as it can be told.
            patience_s: how long is too long.
            now: monotonic seconds.
        """
        found = []
        for path in paths:
            if path in in_work:
                self._idle_since[path] = now
            elif now - self._idle_since.setdefault(path, now) >= patience_s:
                found.append(path)
        return found
