"""Carries one image from its send to its end, and records that end, whichever it is."""

import asyncio
import logging
from contextlib import AbstractAsyncContextManager, nullcontext

from load_tester.engine.recorder import Flight, Recorder
from load_tester.errors import ImageError
from load_tester.images import Upload
from load_tester.pacing import now_s
from load_tester.record import Outcome
from load_tester.targets.base import Answer, Endpoint, Ticket

UNREADABLE = "answer_unreadable"

log = logging.getLogger(__name__)


class Carrier:
    """Carries images to endpoints; at most `max_workers` uploads are under way at once."""

    def __init__(self, recorder: Recorder, *, max_workers: int | None, timeout_s: float) -> None:
        self._recorder = recorder
        self._timeout_s = timeout_s
        self._has_told = False
        # asyncio's semaphore serves those who wait in the order in which they came.
        self._workers: AbstractAsyncContextManager[object] = (
            nullcontext() if max_workers is None else asyncio.Semaphore(max_workers)
        )

    async def carry(self, flight: Flight, upload: Upload, endpoint: Endpoint) -> Outcome:
        """Take the image to its end, which its timeout from the intended send brings at last.

        Returns how it ended; when this is cancelled, the image is recorded as abandoned or as
        never sent. An answer that trips up whatever reads it is wrong like any other that breaks
        the contract: it must not end the run and lose what was measured. The first is logged with
        its traceback, for then this program is at fault, too.
        """
        flight.target = endpoint.name
        try:
            outcome, reason = await self._fly(flight, upload, endpoint)
        except asyncio.CancelledError:
            sent = flight.sent_at_s is not None
            self._recorder.end(
                flight, Outcome.ABANDONED if sent else Outcome.NOT_SENT, "interrupted"
            )
            raise
        self._recorder.end(flight, outcome, reason)
        return outcome

    async def _fly(
        self, flight: Flight, upload: Upload, endpoint: Endpoint
    ) -> tuple[Outcome, str | None]:
        left_s = self._recorder.start_s + flight.at_s + self._timeout_s - now_s()
        if left_s <= 0:  # this process itself was held up for so long
            return Outcome.NOT_SENT, "generator_too_late"
        try:
            async with asyncio.timeout(left_s):
                answer = await self._send(flight, upload, endpoint)
                if isinstance(answer, Ticket):
                    self._recorder.accept(flight, answer)
                    answer = await endpoint.await_answer(answer, upload)
            flight.answer = answer
            # The answer was seen in time: what it takes to check it is nobody's latency.
            await endpoint.check(answer, upload)
        except ImageError as exc:
            return exc.outcome, exc.reason
        except TimeoutError:
            return _end_out_of_time(flight)
        except Exception:
            if flight.sent_at_s is None:
                raise
            self._tell_once(flight)
            return Outcome.WRONG, UNREADABLE
        return Outcome.OK, None

    def _tell_once(self, flight: Flight) -> None:
        """Log the exception that is being handled, unless one was before."""
        if not self._has_told:
            self._has_told = True
            log.exception("An answer cannot be read, by a fault of this program: %r", flight.file)

    async def _send(self, flight: Flight, upload: Upload, endpoint: Endpoint) -> Ticket | Answer:
        """Upload as soon as a worker is free; what it waited shows as lateness."""
        due_s = now_s()
        async with self._workers:
            flight.held_s = now_s() - due_s
            self._recorder.send(flight)
            return await endpoint.send(upload)


def _end_out_of_time(flight: Flight) -> tuple[Outcome, str]:
    if flight.sent_at_s is None:
        return Outcome.NOT_SENT, "no_free_worker"
    return Outcome.TIMED_OUT, "no_ticket" if flight.ticket is None else "no_result"
