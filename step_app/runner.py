"""The threads behind a replica: some decode, one computes, the event loop does neither.

::

    submit ──▶ inbox ──▶ decode thread(s) ──▶ ready ──▶ model thread ──▶ futures
                          step.prepare                   take_batch, step.run

While the model computes a batch the next one is decoded. A replica that has only one core for
itself decodes on the model thread, too: a second thread there costs more in switches (4 % of the
throughput) than it gives. Results of a batch go back to the event loop in one call.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Final

from step_app.batching import take_batch
from step_app.checkpoints import stop_when
from step_app.errors import StepError, StepFailedError
from step_app.metrics import StepMetrics
from step_app.steps.base import Outcome, Step, StepRequest

_log = logging.getLogger(__name__)
_HAND_OVER_S: Final = 0.05
"""Results of quick work are collected for so long at most."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of one image."""

    outcome: Outcome
    inference_time_s: float
    """Time of the batch in the model; 0 when it never got there."""
    duration_s: float
    """Decoding plus the batch."""
    batch_size: int = 1
    """Images that were computed together."""
    waited_s: float = 0.0
    """From its arrival until work on it started."""


@dataclass(slots=True)
class _Work:
    request: StepRequest
    future: "asyncio.Future[StepResult]"
    arrived: float = field(default_factory=time.perf_counter)
    prepared: Any = None
    waited_s: float = 0.0
    """From its arrival until work on it started."""
    decode_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Done:
    """One image that was judged or computed."""

    work: _Work
    outcome: Outcome
    inference_time_s: float
    batch_size: int = 1


class StepRunner:
    """Runs one step for many callers."""

    def __init__(
        self,
        step: Step,
        *,
        step_type: str,
        max_batch_size: int,
        decode_threads: int,
        metrics: StepMetrics,
    ) -> None:
        """Prepare to run a step; 0 decode threads decode on the model thread.

        Images of a step that gains nothing from batches are decoded and computed one by one: a
        decoded picture may be a hundred times as large as its file.
        """
        self._step = step
        self._step_type = step_type
        self._max_batch_size = max_batch_size
        decode_threads = decode_threads if step.is_batched else 0
        self._metrics = metrics
        self._inbox: SimpleQueue[_Work | None] = SimpleQueue()
        self._ready = SimpleQueue[_Work | None]() if decode_threads else self._inbox
        self._loop = asyncio.get_running_loop()
        self._busy_since: float | None = None
        self._decoders = [
            threading.Thread(target=self._decode_all, name=f"decode-{n}", daemon=True)
            for n in range(decode_threads)
        ]
        self._model = threading.Thread(target=self._compute_all, name="model", daemon=True)

    def start(self) -> None:
        """Start the threads."""
        for thread in (*self._decoders, self._model):
            thread.start()

    async def close(self) -> None:
        """Let what was submitted finish, then end the threads."""
        for _ in self._decoders:
            self._inbox.put(None)
        for decoder in self._decoders:
            await asyncio.to_thread(decoder.join)
        self._ready.put(None)
        await asyncio.to_thread(self._model.join)

    def submit(self, request: StepRequest) -> "asyncio.Future[StepResult]":
        """Queue one image; who cancels the future stops the work at its next checkpoint."""
        work = _Work(request=request, future=self._loop.create_future())
        self._inbox.put(work)
        return work.future

    def busy_s(self) -> float:
        """Return for how long the batch that is in work has been, in seconds."""
        started = self._busy_since
        return 0.0 if started is None else time.perf_counter() - started

    def _decode_all(self) -> None:
        while (work := self._inbox.get()) is not None:
            if self._decode(work):
                self._ready.put(work)

    def _decode(self, work: _Work) -> bool:
        """Prepare one image; answer at once, and say no, when it has nothing to compute."""
        if work.future.cancelled():
            return False
        started = time.perf_counter()
        work.waited_s = started - work.arrived
        try:
            work.prepared = self._step.prepare(work.request)
        except Exception as exc:  # this image fails, the replica lives
            work.decode_s = time.perf_counter() - started
            self._deliver([_Done(work, _as_step_error(exc, work.request), 0.0)])
            return False
        work.decode_s = time.perf_counter() - started
        return True

    def _compute_all(self) -> None:
        while (batch := take_batch(self._ready, max_batch_size=self._max_batch_size)) is not None:
            self._busy_since = time.perf_counter()
            if self._step.is_batched:
                self._compute_together(batch)
            else:
                self._compute_in_turn(batch)

    def _compute_together(self, batch: list[_Work]) -> None:
        if not self._decoders:
            batch = [work for work in batch if self._decode(work)]
        batch = [work for work in batch if not work.future.cancelled()]
        finished = self._compute(batch) if batch else []
        self._busy_since = None  # before anybody can see that it is done
        self._deliver(finished)

    def _compute_in_turn(self, batch: list[_Work]) -> None:
        """Decode and compute one after the other; hand over several at once when they are quick.

        This thread and the event loop share the interpreter's lock, so that every hand-over
        costs both of them time.
        """
        done: list[_Done] = []
        handed_over = time.perf_counter()
        for work in batch:
            self._busy_since = time.perf_counter()
            if self._decode(work) and not work.future.cancelled():
                with stop_when(work.future.cancelled):
                    done += self._compute([work])
                work.prepared = None  # its pixels may be a hundred times as large as its file
            if time.perf_counter() - handed_over > _HAND_OVER_S:
                self._deliver(done)
                done, handed_over = [], time.perf_counter()
        self._busy_since = None
        self._deliver(done)

    def _compute(self, batch: list[_Work]) -> "list[_Done]":
        started = time.perf_counter()
        self._metrics.batch_size.observe(len(batch))
        for work in batch:
            self._metrics.batch_wait.observe(started - work.arrived)
        outcomes = self._run(batch)
        elapsed_s = time.perf_counter() - started
        self._metrics.process.labels(self._step_type).observe(elapsed_s)
        return [
            _Done(work, outcome, elapsed_s, len(batch))
            for work, outcome in zip(batch, outcomes, strict=True)
        ]

    def _run(self, batch: list[_Work]) -> Sequence[Outcome]:
        """Run a batch; when it breaks as a whole, run each image alone to find the culprit."""
        try:
            outcomes = self._step.run([work.prepared for work in batch])
            if len(outcomes) != len(batch):
                raise StepFailedError
        except Exception as exc:
            if len(batch) == 1:
                return [_as_step_error(exc, batch[0].request)]
            _log.exception("a batch of %d failed; its images are run alone", len(batch))
            return [self._run([one])[0] for one in batch]
        return outcomes

    def _deliver(self, finished: "list[_Done]") -> None:
        finished = [done for done in finished if not done.work.future.cancelled()]
        if not finished:
            return
        results = []
        for done in finished:
            work = done.work
            if isinstance(done.outcome, StepError):
                self._metrics.failures.labels(done.outcome.code).inc()
            if self._metrics.grayscale is not None:
                self._metrics.grayscale.note(work.request, done.outcome, waited_s=work.waited_s)
            duration_s = work.decode_s + done.inference_time_s
            result = StepResult(
                done.outcome,
                done.inference_time_s,
                duration_s,
                batch_size=done.batch_size,
                waited_s=work.waited_s,
            )
            results.append((work.future, result))
        self._loop.call_soon_threadsafe(_resolve, results)


def _resolve(results: list[tuple["asyncio.Future[StepResult]", StepResult]]) -> None:
    for future, result in results:
        if not future.done():
            future.set_result(result)


def _as_step_error(exc: Exception, request: StepRequest) -> StepError:
    if isinstance(exc, StepError):
        return exc
    _log.error("the step failed (trace %s)", request.trace_id or "unknown", exc_info=exc)
    return StepFailedError()
