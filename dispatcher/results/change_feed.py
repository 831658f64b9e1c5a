"""What other dispatchers do to jobs, as Redis tells it: whoever waits here is woken at once.

A message only says that a job has changed; the job is then read. Messages can be missed, so every
few seconds, and whenever Redis is back, the jobs that somebody waits for are read all the same.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import Final

from dispatcher.errors import RequestError
from dispatcher.jobs import Job
from dispatcher.results.waiting import Waiters

_log = logging.getLogger(__name__)
_AT_A_TIME: Final = 16
"""So many are read together: when all wait for Redis at once, the object store must stand it."""


class ChangeFeed:
    """Turns messages into jobs that wake those who wait for them."""

    def __init__(
        self,
        waiters: Waiters,
        *,
        look: Callable[[str], Awaitable[Job | None]],
        on_ended: Callable[[str], None],
        look_every_s: float,
    ) -> None:
        """Serve those who wait in this process.

        Args:
            waiters: whom to wake.
            look: returns a job as it is; None when nothing is known of it.
            on_ended: called with the id of each job that another dispatcher has ended.
            look_every_s: how often they are read although nothing was heard, in seconds.
        """
        self._waiters = waiters
        self._look = look
        self._on_ended = on_ended
        self._look_every_s = look_every_s
        self._sender = secrets.token_hex(8)
        self._changed: set[str] = set()
        self._news = asyncio.Event()
        self._is_all_due = False

    def message(self, job: Job) -> bytes:
        """Return what the others are told of a job that has changed."""
        fate = "ended" if job.state.is_terminal else "changed"
        return f"{self._sender} {fate} {job.id}".encode()

    def take(self, message: bytes) -> None:
        """Take a message of another dispatcher; of our own, nothing is new."""
        sender, _, rest = message.decode(errors="replace").partition(" ")
        fate, _, job_id = rest.partition(" ")
        if sender == self._sender:
            return
        if fate == "ended":
            self._on_ended(job_id)
        if self._waiters.is_awaited(job_id):
            self._changed.add(job_id)
            self._news.set()

    def hurry(self) -> None:
        """Read everything that is waited for: messages may have been missed."""
        self._is_all_due = True
        self._news.set()

    async def run(self) -> None:
        """Wake until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._look_every_s):
                    await self._news.wait()
            except TimeoutError:
                self._is_all_due = True
            self._news.clear()
            changed, self._changed = self._changed, set()
            if self._is_all_due:
                self._is_all_due = False
                changed.update(self._waiters.awaited())
            await self._wake(changed)

    async def _wake(self, job_ids: Iterable[str]) -> None:
        left = iter(job_ids)
        while some := list(islice(left, _AT_A_TIME)):
            await asyncio.gather(*(self._wake_one(job_id) for job_id in some))

    async def _wake_one(self, job_id: str) -> None:
        try:
            # What cannot be read now is read again soon.
            with contextlib.suppress(RequestError):
                job = await self._look(job_id)
                if job is not None:
                    self._waiters.wake(job)
        except Exception:
            _log.exception("a job that changed cannot be read", extra={"job_id": job_id})
