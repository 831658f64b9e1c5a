"""What follows a failed attempt: a pure decision."""

import random
from dataclasses import dataclass

from dispatcher.errors import AttemptError, ItemRejectedError
from dispatcher.jobs import JobError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The numbers of the decision."""

    max_attempts: int = 3
    max_tries: int = 12
    """Those that cost no attempt included: replicas that flap must not keep a job for ever."""
    base_delay_s: float = 0.05
    max_delay_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after a pause."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Fail the job."""

    error: JobError


def decide(
    error: AttemptError, *, attempts: int, tries: int, policy: RetryPolicy, jitter: random.Random
) -> Retry | GiveUp:
    """Say what follows a failed attempt.

    Args:
        error: why it failed.
        attempts: how many attempts of this stage were used up, this one included.
        tries: how often it was tried in all, this time included.
        policy: the numbers.
        jitter: spreads retries, so that those of one outage do not come back together.
    """
    if isinstance(error, ItemRejectedError):
        return GiveUp(JobError(code=error.item_code, detail=error.detail))
    is_used_up = error.uses_attempt and attempts >= policy.max_attempts
    if not error.is_retryable or is_used_up or tries >= policy.max_tries:
        detail = f"Gave up after {attempts} attempts: {error}." if attempts else f"{error}."
        return GiveUp(JobError(code=error.code, detail=detail))
    longest_s = min(policy.base_delay_s * 2 ** max(0, attempts - 1), policy.max_delay_s)
    return Retry(delay_s=jitter.uniform(0, longest_s))
