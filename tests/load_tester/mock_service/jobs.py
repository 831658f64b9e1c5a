"""The jobs of the mock service: when each is done, and who waits for it."""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.load_tester.mock_service.script import Dice, Script
from tests.load_tester.mock_service.truth import Fault, TrueJob, Truth

_TIMER_S = 0.001


@dataclass(slots=True, eq=False)
class Job:
    """One upload under way."""

    request_id: str
    file: str
    fault: Fault
    size_bytes: int
    began_s: float
    arrived_s: float
    due_s: float = 0.0
    queue_s: float = 0.0
    service_s: float = 0.0
    done_s: float | None = None
    looks: int = 0
    crc32: int | None = None
    waiting: list[Callable[[], None]] = field(default_factory=list)
    """Called when it is done."""

    def as_true(self) -> TrueJob:
        """Return what shall be told of it."""
        return TrueJob(
            request_id=self.request_id,
            file=self.file,
            fault=self.fault,
            size_bytes=self.size_bytes,
            began_s=self.began_s,
            arrived_s=self.arrived_s,
            done_s=self.done_s,
            looks=self.looks,
            crc32=self.crc32,
        )


class JobBook:
    """All jobs of one service; what it does with each was drawn by its script.

    `in_work` counts those that are not done, `done` those that are.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._dice = Dice(script)
        self._uploads: list[Job] = []
        self._by_ticket: dict[str, Job] = {}
        self._free_at_s = [0.0] * script.workers
        # Those whose tickets may be given a second time.
        self._clean: deque[Job] = deque(maxlen=16)
        self.in_work = 0
        self.done = 0
        self._frozen_s: float | None = None
        self._thawed_s: float | None = None

    def accept(
        self, *, file: str, size_bytes: int, began_s: float, crc32: int | None = None
    ) -> Job:
        """Take an upload that has just arrived whole; the job's fault says how to answer."""
        now_s = time.monotonic()
        number = len(self._uploads)
        fault = self._dice.draw_fault()
        if fault is Fault.TWICE and not self._clean:
            fault = Fault.NONE
        job = Job(f"mock-{number}", file, fault, size_bytes, began_s, now_s, crc32=crc32)
        self._uploads.append(job)
        if number == 0 and self._script.freeze_after_s is not None:
            asyncio.get_running_loop().call_later(self._script.freeze_after_s, self._freeze)
        if fault is Fault.ERROR:
            job.request_id = ""
        elif fault is Fault.TWICE:
            job.request_id = self._clean.popleft().request_id
        else:
            self._start(job)
        return job

    def find(self, request_id: str) -> Job | None:
        """Return the job of a ticket, None when there is none or it is one that gets lost."""
        job = self._by_ticket.get(request_id)
        if job is None:
            return None
        job.looks += 1
        return None if job.fault is Fault.LOST else job

    def tell(self) -> Truth:
        """Return what is known of every upload so far."""
        return Truth(
            jobs=tuple(job.as_true() for job in self._uploads),
            frozen_s=self._frozen_s,
            thawed_s=self._thawed_s,
        )

    def _start(self, job: Job) -> None:
        begins_s = job.arrived_s
        if self._script.workers:
            begins_s = max(begins_s, heapq.heappop(self._free_at_s))
        job.queue_s = begins_s - job.arrived_s
        job.service_s = self._dice.draw_service_s()
        job.due_s = begins_s + job.service_s
        if self._script.workers:
            heapq.heappush(self._free_at_s, job.due_s)
        self._by_ticket[job.request_id] = job
        if job.fault is Fault.NONE:
            self._clean.append(job)
        self.in_work += 1
        self._end(job)

    def _end(self, job: Job) -> None:
        now_s = time.monotonic()
        if now_s < job.due_s:
            # The loop's timers are rounded to milliseconds, down as well as up.
            pause_s = max(_TIMER_S, job.due_s - now_s)
            asyncio.get_running_loop().call_later(pause_s, self._end, job)
            return
        # The moment that counts: a client can know of it from here on.
        job.done_s = now_s
        self.in_work -= 1
        self.done += 1
        for answer in job.waiting:
            answer()
        job.waiting.clear()

    def _freeze(self) -> None:
        self._frozen_s = time.monotonic()
        time.sleep(self._script.freeze_s)
        self._thawed_s = time.monotonic()
