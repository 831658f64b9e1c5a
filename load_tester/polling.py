"""Waiting for a result: long polls, and growing pauses where the service does not hold them."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from load_tester.answers import JobResult, Ticket, read_result
from load_tester.client import Look, ServiceClient
from load_tester.errors import BrokenError, FailedError
from load_tester.pacing import now_s

WAIT_S = 20
# An answer that took this long was held, if only for as long as the service cares to.
HELD_S = 0.5
FIRST_PAUSE_S = 0.005
PAUSE_GROWTH = 1.5
LONGEST_PAUSE_S = 0.25
# A service that asks for a longer pause is asked again after this all the same.
LONGEST_RETRY_AFTER_S = 5.0

_LOST = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Awaited:
    """A result, the moment it was read and parsed, and how many looks it took."""

    result: JobResult
    seen_s: float
    polls: int


async def await_result(client: ServiceClient, ticket: Ticket, *, file: str) -> Awaited:
    """Look until the job has ended and return its result; the caller sets the deadline.

    A broken connection or an error of the service's is no end: it is asked again. Raises
    FailedError when the job failed or is lost, WrongError when its result is malformed.
    """
    pause_s = 0.0
    polls = 0
    while True:
        polls += 1
        asked_at_s = now_s()
        try:
            look = await client.look(ticket.request_id, wait_s=WAIT_S)
        except BrokenError:
            look = None
        if look is not None and look.status == HTTPStatus.OK:
            result = read_result(look.body, request_id=ticket.request_id, file=file)
            return Awaited(result=result, seen_s=now_s(), polls=polls)
        retry_after_s = 0.0 if look is None else read_retry_after(look)
        pause_s = next_pause_s(pause_s, held_s=now_s() - asked_at_s)
        await asyncio.sleep(max(pause_s, retry_after_s))


def next_pause_s(previous_s: float, *, held_s: float) -> float:
    """Return the pause before the next look, in seconds: none after a wait that was held.

    A service that answers at once is not holding waits, so the pauses grow from look to look.
    """
    if held_s >= HELD_S:
        return 0.0
    return min(max(previous_s * PAUSE_GROWTH, FIRST_PAUSE_S), LONGEST_PAUSE_S)


def read_retry_after(look: Look) -> float:
    """Return the pause, in seconds, that a look without a result asks for.

    The hint of a 202 is too coarse to measure with and is left; that of a busy service is kept.
    Raises FailedError when the job is lost or the answer is an error of the request's.
    """
    if look.status in _LOST:
        raise FailedError(f"lost_{look.status}")
    if look.status in _BUSY:
        return min(look.retry_after_s, LONGEST_RETRY_AFTER_S)
    if look.status == HTTPStatus.ACCEPTED or look.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return 0.0
    raise FailedError(f"http_{look.status}")
