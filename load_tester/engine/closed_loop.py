"""The closed loop: so many workers, each sending its next image when its last one has ended.

A slow service slows the sending, so what its users would have waited in the meantime shows
nowhere (coordinated omission): the figures tell how fast it can be, not how it is under a load.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from itertools import count

from load_tester.engine.calm import keep_calm
from load_tester.engine.carrying import Carrier
from load_tester.engine.recorder import Flight, Recorder
from load_tester.engine.stopping import run_until
from load_tester.images import Upload
from load_tester.pacing import now_s
from load_tester.record import ImageRecord, Outcome
from load_tester.targets.base import Target

FIRST_RETRY_PAUSE_S = 0.5
LONGEST_RETRY_PAUSE_S = 5.0
# What another attempt may mend; a wrong answer it would only hide.
RETRIED = frozenset({Outcome.REFUSED, Outcome.FAILED, Outcome.TIMED_OUT})

log = logging.getLogger(__name__)


class ClosedLoop:
    """Sends `requests` images by `concurrency` workers and leaves every end in the recorder.

    Every attempt is a send with a record and a number of its own: its intended moment is that at
    which its worker turned to it.
    """

    def __init__(
        self,
        target: Target,
        *,
        requests: int,
        concurrency: int,
        uploads: Sequence[Upload],
        recorder: Recorder,
        timeout_s: float,
        delay_s: float = 0.0,
        retries: int = 0,
    ) -> None:
        """Take the order: each worker pauses `delay_s` between its images.

        An image that failed is tried again up to `retries` times; `timeout_s` is for one attempt.
        """
        self._target = target
        self._requests = requests
        self._concurrency = min(concurrency, requests)
        self._uploads = uploads
        self._recorder = recorder
        self._delay_s = delay_s
        self._retries = retries
        self._carrier = Carrier(recorder, max_workers=None, timeout_s=timeout_s)
        self._numbers = count()
        self._begun: set[int] = set()

    async def run(self, stop: asyncio.Event) -> bool:
        """Send everything and wait for every end; return whether `stop` cut it short.

        When it returns, the recorder holds exactly one record for each attempt made, and one for
        each request that an interruption forestalled.
        """
        with keep_calm():
            self._recorder.start_s = now_s()
            interrupted = await run_until(stop, self._work())
        if interrupted:
            self._record_untaken()
        return interrupted

    async def _work(self) -> None:
        requests = iter(range(self._requests))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._concurrency):
                group.create_task(self._work_off(requests))

    async def _work_off(self, requests: Iterator[int]) -> None:
        """Be one worker: take requests until there are none left."""
        is_first = True
        for request in requests:
            if not is_first:
                await asyncio.sleep(self._delay_s)
            is_first = False
            await self._serve(request)

    async def _serve(self, request: int) -> None:
        """Send one image until it ends well, or was tried often enough."""
        for attempt in range(1, self._retries + 2):
            if attempt > 1:
                await asyncio.sleep(retry_pause_s(attempt, delay_s=self._delay_s))
            if await self._attempt(request, attempt) not in RETRIED:
                return

    async def _attempt(self, request: int, attempt: int) -> Outcome:
        # Nothing is waited for between these counts and the carrier, which records every end.
        self._begun.add(request)
        self._recorder.retries += attempt > 1
        flight, upload = self._prepare(request, attempt)
        endpoint = self._target.choose(request)
        name = f"Request {request + 1}, attempt {attempt}"
        log.debug("%s: sending %s to %s", name, _plain(upload.file), endpoint.name)
        outcome = await self._carrier.carry(flight, upload, endpoint)
        log.debug("%s: %s", name, describe_end(self._recorder.record_of(flight.index)))
        return outcome

    def _record_untaken(self) -> None:
        """Record the requests that no worker had begun when the loop was interrupted."""
        for request in range(self._requests):
            if request not in self._begun:
                flight, _ = self._prepare(request, 1)
                flight.target = self._target.choose(request).name
                self._recorder.end(flight, Outcome.NOT_SENT, "interrupted")

    def _prepare(self, request: int, attempt: int) -> tuple[Flight, Upload]:
        """Return an attempt at a request, meant for now."""
        upload = self._uploads[request % len(self._uploads)]
        at_s = now_s() - self._recorder.start_s
        flight = Flight(
            index=next(self._numbers),
            second=int(at_s) + 1,
            at_s=at_s,
            file=upload.file,
            attempt=attempt,
        )
        return flight, upload


def retry_pause_s(attempt: int, *, delay_s: float) -> float:
    """Return the pause before an attempt (from the second on): it doubles, from half a second."""
    doubled_s = FIRST_RETRY_PAUSE_S * 2.0 ** min(attempt - 2, 10)
    return max(delay_s, min(doubled_s, LONGEST_RETRY_PAUSE_S))


def describe_end(record: ImageRecord) -> str:
    """Return what happened to an image, step by step, in one line."""
    steps: list[str] = [
        record.outcome if record.reason is None else f"{record.outcome}: {record.reason}"
    ]
    if record.submit_s is not None:
        steps.append(
            f"ticket {_plain(record.request_id or '')} after {_milliseconds(record.submit_s)}"
        )
    if record.from_send_s is not None:
        steps.append(f"result after {_milliseconds(record.from_send_s)}")
    if record.polls:
        steps.append(f"{record.polls} looks")
    if record.queue_time_s is not None:
        steps.append(f"queued {_milliseconds(record.queue_time_s)}")
    if record.processing_time_s is not None:
        steps.append(f"processed {_milliseconds(record.processing_time_s)}")
    steps += [
        f"step {_plain(step)} {_milliseconds(time_s)}" for step, time_s in record.steps_s.items()
    ]
    if record.top_label is not None:
        steps.append(f"label {_plain(record.top_label)}")
    return "; ".join(steps)


def _plain(text: str) -> str:
    """Return a service's words as they can be shown in one line of a terminal."""
    return text if text.isprintable() else ascii(text)


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"
