"""What follows a failed attempt: a pure decision."""

import random
from dataclasses import dataclass, replace
from typing import Final

from dispatcher.jobs import JobError
from dispatcher.pools.errors import AttemptError, ItemRejectedError, ReplicaLostError

POISON: Final = "poison"
"""Code of a job whose image was in work each time that a replica died."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The numbers of the decision."""

    max_attempts: int = 3
    max_tries: int = 12
    """Those that cost no attempt included: replicas that flap must not keep a job for ever."""
    base_delay_s: float = 0.05
    max_delay_s: float = 2.0
    max_retry_after_s: float = 10.0
    """Longest pause that a replica may ask for."""
    quarantine_s: float = 10.0
    """How long an item that may have killed two replicas waits until they are back, before it is
    tried a third time: one that is poison shall not take the whole pool down at once."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How often an item was tried at one stage, and what became of it."""

    tries: int = 0
    attempts: int = 0
    """Tries in which a replica may have worked on it."""
    losses: int = 0
    """Attempts that ended because the replica died."""
    losses_alone: int = 0
    """Those in which it had nothing else in work."""

    def after(self, error: AttemptError, *, alone: bool) -> "Tried":
        """Return this with one more failed try."""
        is_loss = isinstance(error, ReplicaLostError)
        return replace(
            self,
            tries=self.tries + 1,
            attempts=self.attempts + error.uses_attempt,
            losses=self.losses + is_loss,
            losses_alone=self.losses_alone + (is_loss and alone),
        )

    @property
    def is_poison(self) -> bool:
        """Say whether the item must be what kills replicas.

        The first time others were in work as well, perhaps; from then on it travelled alone.
        """
        return self.losses == self.attempts and self.losses_alone >= max(1, self.losses - 1)


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after a pause."""

    delay_s: float
    when_whole: bool = False
    """Whether to wait until no replica of the pool is out."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Fail the job."""

    error: JobError


def decide(
    error: AttemptError,
    tried: Tried,
    *,
    has_other: bool = True,
    policy: RetryPolicy,
    jitter: random.Random,
) -> Retry | GiveUp:
    """Say what follows a failed attempt.

    Args:
        error: why it failed.
        tried: how often this stage was tried, this time included.
        has_other: whether a replica is ready that has not failed the item; one that asks to be
            left alone for a while is then left alone anyway.
        policy: the numbers.
        jitter: spreads retries, so that those of one outage do not come back together.
    """
    if isinstance(error, ItemRejectedError):
        return GiveUp(JobError(code=error.item_code, detail=error.detail))
    is_used_up = error.uses_attempt and tried.attempts >= policy.max_attempts
    if not error.is_retryable or is_used_up or tried.tries >= policy.max_tries:
        return given_up(error, tried)
    longest_s = min(policy.base_delay_s * 2 ** max(0, tried.attempts - 1), policy.max_delay_s)
    delay_s = jitter.uniform(0, longest_s)
    if error.retry_after_s is not None and not has_other:
        delay_s += min(error.retry_after_s, policy.max_retry_after_s)
    return Retry(delay_s, when_whole=tried.losses_alone > 0)


def given_up(error: AttemptError, tried: Tried) -> GiveUp:
    """Return the end of a job whose last try failed like this."""
    attempts = tried.attempts
    detail = f"Gave up after {attempts} attempts: {error}." if attempts else f"{error}."
    is_poison = isinstance(error, ReplicaLostError) and tried.is_poison
    return GiveUp(JobError(code=POISON if is_poison else error.code, detail=detail))
