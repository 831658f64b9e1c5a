"""One item through one pool: tried until it is answered, judged, or given up."""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Final

from dispatcher.errors import AttemptError, AttemptTimeoutError, ReplicaLostError
from dispatcher.execution.retry import GiveUp, RetryPolicy, decide
from dispatcher.jobs import JobError
from dispatcher.pipelines.model import StepKey
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.parcel import Answer
from step_app.contract.frames import BatchItem

NO_CAPACITY_TIMEOUT_S: Final = 60.0
"""How long an item waits for a replica that can take it before its job fails."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """An answer and how many attempts it took."""

    answer: Answer
    attempts: int


class GaveUpError(Exception):
    """An item was judged or given up; ends its job."""

    def __init__(self, error: JobError, attempts: int) -> None:
        super().__init__(error.code)
        self.error = error
        self.attempts = attempts


class Attempts:
    """Knows how often an item may be tried, and where next."""

    def __init__(self, *, pools: PoolDirectory, policy: RetryPolicy, jitter: random.Random) -> None:
        self._pools = pools
        self._policy = policy
        self._jitter = jitter

    async def run(
        self, key: StepKey, item: BatchItem, *, weight_bytes: int = 0, prefer: str = ""
    ) -> Attempted:
        """Return the answer to an item.

        Args:
            key: names the pool.
            item: the image and its params.
            weight_bytes: about how many bytes of pixels it becomes.
            prefer: URL of the replica that takes least time for it.

        Raises:
            GaveUpError: there is none, and none will come.
        """
        failed_at: list[str] = []
        attempts, tries, alone = 0, 0, False
        give_up_at = time.monotonic() + NO_CAPACITY_TIMEOUT_S
        while True:
            try:
                # Looked up for every try: a record that was gone for a moment has a new pool.
                pool = self._pools.get(str(key))
                answer = await pool.process(
                    item,
                    avoid=failed_at,
                    alone=alone,
                    weight_bytes=weight_bytes,
                    prefer=prefer,
                    patience_s=max(0.0, give_up_at - time.monotonic()),
                )
            except AttemptError as exc:
                attempts += exc.uses_attempt
                tries += 1
                alone = alone or isinstance(exc, ReplicaLostError | AttemptTimeoutError)
                failed_at.append(exc.replica_url)
                decision = decide(
                    exc,
                    attempts=attempts,
                    tries=tries,
                    policy=self._policy,
                    jitter=self._jitter,
                )
                if isinstance(decision, GiveUp):
                    raise GaveUpError(decision.error, attempts) from exc
                await asyncio.sleep(decision.delay_s)
            else:
                return Attempted(answer, attempts + 1)
