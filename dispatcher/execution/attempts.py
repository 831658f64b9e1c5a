"""One item through one pool: tried until it is answered, judged, or given up."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from dispatcher.execution.retry import GiveUp, RetryPolicy, Tried, decide, given_up
from dispatcher.execution.retry_budget import RetryBudget
from dispatcher.execution.traced_attempt import TracedAttempt
from dispatcher.jobs import JobError
from dispatcher.pipelines.model import StepKey
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.errors import (
    AttemptError,
    AttemptTimeoutError,
    BatchRejectedError,
    ItemRejectedError,
    ReplicaLostError,
)
from dispatcher.pools.parcel import Answer
from dispatcher.pools.pool import Pool
from step_app.contract.frames import BatchItem
from step_app.contract.spans import NO_TRACING, Tracer

NO_CAPACITY_TIMEOUT_S: Final = 60.0
"""How long an item waits for a replica that can take it before its job fails."""
RETRY_PATIENCE_S: Final = 60.0
"""How long a retry waits for leave before its job fails."""
_SUSPICIOUS: Final = (ReplicaLostError, AttemptTimeoutError, BatchRejectedError)
"""After these an item may be the reason, so it travels alone."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """An answer and how many attempts it took."""

    answer: Answer
    attempts: int
    answered_at: float | None
    """When it came, in Unix seconds; None when it came to another dispatcher."""


class GaveUpError(Exception):
    """An item was judged or given up; ends its job."""

    def __init__(self, error: JobError, attempts: int) -> None:
        super().__init__(error.code)
        self.error = error
        self.attempts = attempts


class Attempts:
    """Knows how often an item may be tried, and where next."""

    def __init__(
        self,
        *,
        pools: PoolDirectory,
        policy: RetryPolicy,
        jitter: random.Random,
        create_budget: Callable[[], RetryBudget] = RetryBudget,
        on_retry: Callable[[AttemptError], None] = lambda _: None,
        tracer: Tracer = NO_TRACING,
    ) -> None:
        self._pools = pools
        self._policy = policy
        self._jitter = jitter
        self._create_budget = create_budget
        self._on_retry = on_retry
        self._tracer = tracer
        self._budgets: WeakKeyDictionary[Pool, RetryBudget] = WeakKeyDictionary()

    async def run(
        self,
        key: StepKey,
        item: BatchItem,
        *,
        weight_bytes: int = 0,
        prefer: str = "",
        label: str = "",
    ) -> Attempted:
        """Return the answer to an item.

        Args:
            key: names the pool.
            item: the image and its params.
            weight_bytes: about how many bytes of pixels it becomes.
            prefer: URL of the replica that takes least time for it.
            label: what is done with it, for people who look at its trace.

        Raises:
            GaveUpError: there is none, and none will come.
        """
        failed_at: list[str] = []
        tried, alone = Tried(), False
        give_up_at = time.monotonic() + NO_CAPACITY_TIMEOUT_S
        while True:
            # Looked up for every try: a record that was gone for a moment has a new pool.
            pool = self._pools.get(str(key))
            budget = self._budget_of(pool)
            try:
                with TracedAttempt(
                    self._tracer, item, key=key, label=label, number=tried.tries + 1
                ) as attempt:
                    answer = await pool.process(
                        attempt.item,
                        avoid=failed_at,
                        alone=alone,
                        weight_bytes=weight_bytes,
                        prefer=prefer,
                        patience_s=max(0.0, give_up_at - time.monotonic()),
                    )
                    attempt.note(answer)
            except AttemptError as exc:
                tried = tried.after(exc, alone=alone)
                alone = alone or isinstance(exc, _SUSPICIOUS)
                failed_at.append(exc.replica_url)
                await self._await_retry(exc, tried, pool=pool, failed_at=failed_at)
                self._on_retry(exc)
            else:
                budget.note_answer()
                return Attempted(answer, tried.attempts + 1, answered_at=time.time())

    async def _await_retry(
        self, error: AttemptError, tried: Tried, *, pool: Pool, failed_at: Collection[str]
    ) -> None:
        """Return when it is time to try again.

        Raises:
            GaveUpError: it is never.
        """
        budget = self._budget_of(pool)
        if isinstance(error, ItemRejectedError):
            budget.note_answer()
        elif error.uses_attempt:
            budget.note_failure()
        decision = decide(
            error,
            tried,
            has_other=any(r.is_ready and r.url not in failed_at for r in pool.replicas),
            policy=self._policy,
            jitter=self._jitter,
        )
        if isinstance(decision, GiveUp):
            raise GaveUpError(decision.error, tried.attempts) from error
        await asyncio.sleep(decision.delay_s)
        if decision.when_whole:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._policy.quarantine_s):
                    await self._pools.wait_all_ready(pool.step, 1)
        if not error.uses_attempt or budget.try_take():
            return
        try:
            async with asyncio.timeout(RETRY_PATIENCE_S):
                await budget.take()
        except TimeoutError:
            raise GaveUpError(given_up(error, tried).error, tried.attempts) from error

    def _budget_of(self, pool: Pool) -> RetryBudget:
        found = self._budgets.get(pool)
        if found is None:
            found = self._budgets[pool] = self._create_budget()
        return found
