"""The open loop: every image leaves at its own moment, whatever became of those before it."""

import asyncio
import logging
from collections.abc import Sequence

from load_tester.answers import Ticket
from load_tester.client import ServiceClient
from load_tester.errors import ImageError
from load_tester.images import Upload
from load_tester.pacing import now_s, sleep_until
from load_tester.polling import await_result
from load_tester.record import Outcome
from load_tester.recorder import Flight, Recorder
from load_tester.schedule import PlannedSend, plan_sends

# Enough to reach the first send calmly.
LEAD_S = 0.02

log = logging.getLogger(__name__)


class LoadRunner:
    """Replays one schedule against one client and leaves every end in the recorder."""

    def __init__(
        self,
        client: ServiceClient,
        *,
        schedule: Sequence[int],
        uploads: Sequence[Upload],
        recorder: Recorder,
        max_workers: int,
        timeout_s: float,
    ) -> None:
        self._client = client
        self._schedule = schedule
        self._plan = list(plan_sends(schedule))
        self._uploads = uploads
        self._recorder = recorder
        # asyncio's semaphore serves those who wait in the order in which they came.
        self._workers = asyncio.Semaphore(max_workers)
        self._timeout_s = timeout_s

    async def run(self, stop: asyncio.Event) -> bool:
        """Send everything and wait for every end; return whether `stop` cut it short.

        When it returns, the recorder holds exactly one record for each planned send.
        """
        self._recorder.start_s = now_s() + LEAD_S
        work = asyncio.create_task(self._replay())
        stopper = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({work, stopper}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            interrupted = not work.done()
            work.cancel()
            stopper.cancel()
            await asyncio.wait({work, stopper})
        if not work.cancelled():
            work.result()
        self._record_unreached()
        return interrupted

    async def _replay(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._announce())
            for send in self._plan:
                await sleep_until(self._recorder.start_s + send.at_s)
                group.create_task(self._carry(send))

    async def _announce(self) -> None:
        """Log each second as it begins, beside the sender so that a log line delays no send."""
        for second, count in enumerate(self._schedule, start=1):
            left_s = self._recorder.start_s + second - 1 - now_s()
            await asyncio.sleep(max(0.0, left_s))
            log.info("Second %d: Sending %d images", second, count)

    async def _carry(self, send: PlannedSend) -> None:
        """Take one image from its due moment to its end, and record that end, whichever it is."""
        upload = self._upload_of(send)
        flight = Flight(send, upload.file)
        left_s = self._recorder.start_s + send.at_s + self._timeout_s - now_s()
        try:
            async with asyncio.timeout(left_s):
                ticket = await self._submit(flight, upload)
                awaited = await await_result(self._client, ticket, file=upload.file)
        except ImageError as exc:
            self._recorder.end(flight, exc.outcome, exc.reason)
        except TimeoutError:
            self._end_out_of_time(flight)
        except asyncio.CancelledError:
            sent = flight.sent_at_s is not None
            outcome = Outcome.ABANDONED if sent else Outcome.NOT_SENT
            self._recorder.end(flight, outcome, "interrupted")
            raise
        else:
            self._recorder.end_ok(flight, awaited)

    async def _submit(self, flight: Flight, upload: Upload) -> Ticket:
        """Upload as soon as a worker is free; what it waited shows as lateness."""
        async with self._workers:
            flight.sent_at_s = now_s()
            ticket = await self._client.submit(upload)
        flight.accepted_at_s = now_s()
        flight.ticket = ticket
        return ticket

    def _end_out_of_time(self, flight: Flight) -> None:
        if flight.sent_at_s is None:
            self._recorder.end(flight, Outcome.NOT_SENT, "no_free_worker")
        elif flight.ticket is None:
            self._recorder.end(flight, Outcome.TIMED_OUT, "no_ticket")
        else:
            self._recorder.end(flight, Outcome.TIMED_OUT, "no_result")

    def _record_unreached(self) -> None:
        """Record the sends whose moment, or whose first step, an interruption forestalled."""
        for send in self._plan:
            if not self._recorder.has_ended(send.index):
                flight = Flight(send, self._upload_of(send).file)
                self._recorder.end(flight, Outcome.NOT_SENT, "interrupted")

    def _upload_of(self, send: PlannedSend) -> Upload:
        return self._uploads[send.index % len(self._uploads)]
