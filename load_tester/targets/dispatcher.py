"""A dispatcher: takes an upload, gives a ticket, and is asked for the result."""

import asyncio
from http import HTTPStatus
from urllib.parse import quote, urlencode

from load_tester.errors import BrokenError, WrongError
from load_tester.images import Upload
from load_tester.pacing import Alarms, now_s
from load_tester.settings import TargetSettings
from load_tester.targets.answers import read_result, read_ticket
from load_tester.targets.base import Answer, Ticket
from load_tester.targets.checks import Checks
from load_tester.targets.client import HttpClient
from load_tester.targets.polling import (
    WAIT_S,
    Habits,
    Looks,
    read_retry_after,
)

PICTURE_TIMEOUT_S = 30.0


class DispatcherTarget:
    """One dispatcher at `url`."""

    def __init__(
        self,
        client: HttpClient,
        *,
        url: str,
        settings: TargetSettings,
        checks: Checks,
        alarms: Alarms,
    ) -> None:
        self.name = url
        self.names = (url,)
        self.uploads = 0
        self._client = client
        self._checks = checks
        self._alarms = alarms
        self._submit_address = client.address(f"/predict_async{write_query(settings)}")
        self._tickets: set[str] = set()
        self._habits = Habits()

    def choose(self, _: int) -> "DispatcherTarget":
        """Return itself."""
        return self

    async def check_reachable(self) -> None:
        """Return when anything answers; raises UnreachableError with the cause."""
        await self._client.check_reachable("/health")

    async def send(self, upload: Upload) -> Ticket:
        """Send one image and return its ticket, which no other upload was given."""
        self.uploads += 1
        reply = await self._client.post(
            self._submit_address, body=upload.body, headers=upload.headers
        )
        return self._admit(read_ticket(reply.status, reply.body))

    def _admit(self, ticket: Ticket) -> Ticket:
        """Return the ticket; raises WrongError when another upload was given the same."""
        if ticket.request_id in self._tickets:
            raise WrongError("ticket_given_twice")
        self._tickets.add(ticket.request_id)
        return ticket

    async def await_answer(self, ticket: Ticket, upload: Upload) -> Answer:
        """Look until the job has ended and return its result.

        A broken connection or an error of the service's is no end: it is asked again.
        """
        address = self._client.address(f"/result/{quote(ticket.request_id, safe='')}?wait={WAIT_S}")
        looks = Looks(self._habits, accepted_s=now_s(), is_done=ticket.from_cache)
        while True:
            if looks.pause_s:
                await self._alarms.wait_until(now_s() + looks.pause_s)
            looks.begin(now_s())
            try:
                reply = await self._client.get(address)
            except BrokenError:
                looks.note_broken()
                continue
            if reply.status == HTTPStatus.OK:
                break
            retry_after_s = read_retry_after(reply.headers.get("Retry-After", ""))
            looks.note_missed(reply.status, retry_after_s=retry_after_s, now_s=now_s())
        answer = read_result(
            reply.body, request_id=ticket.request_id, file=upload.file, polls=looks.count
        )
        looks.note_found(answer.seen_s)
        return answer

    async def check(self, answer: Answer, upload: Upload) -> None:
        """Compare the answer with what is expected; only that fetches a picture."""
        picture = None
        if self._checks.want_picture(answer, upload):
            picture = await self._fetch_picture(answer)
        self._checks.judge(answer, upload, picture=picture)

    async def _fetch_picture(self, answer: Answer) -> bytes | None:
        """Return the picture of a result, None when the service does not give it."""
        request_id = str((answer.document or {}).get("request_id", ""))
        address = self._client.address(f"/result/{quote(request_id, safe='')}/image")
        try:
            async with asyncio.timeout(PICTURE_TIMEOUT_S):
                reply = await self._client.get(address)
        except (BrokenError, TimeoutError):
            return None
        return reply.body if reply.status == HTTPStatus.OK else None


def write_query(settings: TargetSettings) -> str:
    """Return what is asked for beyond the image, as a query with its question mark."""
    query = {} if settings.pipeline is None else {"pipeline": settings.pipeline}
    if settings.params is not None:
        query["params"] = settings.params
    if not settings.use_cache:
        query["cache"] = "false"
    return f"?{urlencode(query)}" if query else ""
