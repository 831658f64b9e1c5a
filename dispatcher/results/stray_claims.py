"""Idempotency-Keys that belong to no job, because a store was very late.

A claim that is put just when its request is given up may come to be after it was looked for and
not found, so nobody takes it away. Its job never was, and whoever repeats the request would be told
for a day that it is no longer kept. So such a claim is given back.
"""

import time
from typing import Final

from dispatcher.errors import ResultsUnavailableError
from dispatcher.results.claims import Claim, Claims
from dispatcher.results.ledger import Ledger
from dispatcher.results.shared_retention import TryLead

_LEAD_FOR_S: Final = 10.0
"""Longer than it takes: another dispatcher's claim must not be removed instead."""
_RETRY_AFTER_S: Final = 1


class StrayClaims:
    """Gives back keys that nobody can use."""

    def __init__(
        self, claims: Claims, ledger: Ledger, *, retention_s: float, try_lead: TryLead
    ) -> None:
        """Look at claims.

        Args:
            claims: who has which key.
            ledger: which jobs there are.
            retention_s: an ended job is kept for so long, in seconds.
            try_lead: lets one dispatcher give back a key at a time.
        """
        self._claims = claims
        self._ledger = ledger
        self._retention_s = retention_s
        self._try_lead = try_lead

    async def clear(self, tenant: str, key: str, claim: Claim) -> bool:
        """Give back a key if its job never was; say whether that is so.

        Raises:
            ResultsUnavailableError: it is, and another dispatcher is about to give the key back.
            StorageUnavailableError: it cannot be told.
        """
        if claim.is_settled or time.time() - claim.since >= self._retention_s:
            return False  # there was a job, or may have been
        if await self._ledger.find(claim.job_id) is not None:
            return False
        if await self._ledger.was_dropped(claim.job_id):
            return False
        if not await self._try_lead(f"key {claim.job_id}", for_s=_LEAD_FOR_S):
            raise ResultsUnavailableError(
                "The Idempotency-Key is just being given back.", retry_after_s=_RETRY_AFTER_S
            )
        await self._claims.give_up(tenant, key, claim)
        return True
