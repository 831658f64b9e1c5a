"""Whether a server can be asked: its breaker, and the loop that looks after it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from dispatcher.servers.breaker import Breaker, BreakerPolicy

_log = logging.getLogger(__name__)

T = TypeVar("T")
_LATE: Final = 0.25
"""A timer that is late by more than this part of itself says that this process is slow."""


class AwayError(Exception):
    """A server could not be asked; the message says why, for people, and names no address."""


class RefusedError(AwayError):
    """A server is there and does not take this dispatcher: with its credentials, say."""


class Watch:
    """Counts how calls to one server go, and looks by itself whether it answers."""

    def __init__(
        self,
        server: str,
        *,
        look: Callable[[], Awaitable[None]],
        freshen: Callable[[], Awaitable[None]] | None = None,
        policy: BreakerPolicy | None = None,
    ) -> None:
        """Watch a server.

        Args:
            server: its name, for people.
            look: asks it for next to nothing; raises ``AwayError``, and ends within seconds.
            freshen: what has to be done before a look at a server that was away, and takes longer
                than a look; raises ``AwayError``, too.
            policy: the numbers of the breaker.
        """
        self._server = server
        self._look = look
        self._freshen = freshen
        self._policy = policy or BreakerPolicy()
        self._breaker = Breaker(self._policy)
        self._on_return: list[Callable[[], None]] = []
        self._has_answered = False
        self._reason = f"{server} has not been reached yet"
        """Why it could not be used, the last time that it could not."""
        self._is_refused = False
        """Whether it was there then, and refused."""

    def unready(self) -> str | None:
        """Say, for people, why the server cannot be used now; None when it can."""
        return self._reason if self._breaker.is_open or not self._has_answered else None

    def refuses(self) -> bool:
        """Say whether it cannot be used because it refuses this dispatcher."""
        return self._is_refused and self.unready() is not None

    def on_return(self, call: Callable[[], None]) -> None:
        """Have something called whenever the server is asked again after it was not."""
        self._on_return.append(call)

    def tell_of_return(self) -> None:
        """Call all who want to know."""
        for call in self._on_return:
            try:
                call()
            except Exception:
                _log.exception("what was to happen on a server's return failed")

    def require(self) -> None:
        """Go on only when the server is worth asking.

        Raises:
            AwayError: it is not.
        """
        if self._breaker.is_open:
            raise AwayError(self._reason)

    async def call(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the server, and count how it went.

        Raises:
            AwayError: it is not asked now, or was and could not answer.
        """
        self.require()
        try:
            answer = await ask()
        except AwayError as exc:
            self._note(exc, self._breaker.failed)
            raise
        self._note(None, self._breaker.answered)
        return answer

    async def run(self) -> None:
        """Look after the server until cancelled."""
        while True:
            await self.probe()
            await asyncio.sleep(self._breaker.pause_s())

    async def probe(self) -> None:
        """Look once whether the server answers, and how fast."""
        try:
            if self._breaker.is_open and self._freshen is not None:
                await self._freshen()
            took_s, is_late = await self._timed_look()
        except AwayError as exc:
            self._note(exc, lambda: self._breaker.probed(None))
        except Exception:  # a loop that died would leave the server away for ever
            _log.exception("a look at a server failed")
            failure = AwayError(f"{self._server} cannot be looked at")
            self._note(failure, lambda: self._breaker.probed(None))
        else:
            self._note(None, lambda: self._breaker.probed(took_s, is_loop_late=is_late))

    async def _timed_look(self) -> tuple[float, bool]:
        """Return how long a look took, and whether this process was too slow to tell."""
        began_s = time.monotonic()
        timer = asyncio.create_task(_lateness_s(self._policy.slow_s))
        try:
            await self._look()
            took_s = time.monotonic() - began_s
            # A timer that should be over and is not is late, too.
            is_late = not timer.done() or timer.result() > _LATE * self._policy.slow_s
        finally:
            timer.cancel()
        return took_s, is_late

    def _note(self, failure: AwayError | None, count: Callable[[], None]) -> None:
        """Count how a call went, and tell about it where it changes what is done."""
        was_open = self._breaker.is_open
        count()
        if failure is None:
            self._has_answered = True
        else:
            self._reason = str(failure)
        self._is_refused = isinstance(failure, RefusedError)
        if self._breaker.is_open and not was_open:
            if failure is None:
                self._reason = f"{self._server} answers too slowly"
            _log.warning("%s is not asked any more: %s", self._server, self._reason)
        elif was_open and not self._breaker.is_open:
            _log.info("%s is back", self._server)
            self.tell_of_return()


async def _lateness_s(wait_s: float) -> float:
    """Return how much later than asked for the event loop came back."""
    began_s = time.monotonic()
    await asyncio.sleep(wait_s)
    return time.monotonic() - began_s - wait_s
