"""Sends webhooks when they are due, until they are delivered or given up: the thin loop.

What is to be delivered is in the store, so that it survives a restart: a webhook is taken out only
after its receiver has answered. It may so arrive twice; ``webhook-id`` is the same then.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Final, Protocol

from dispatcher.crash_points import crash_point
from dispatcher.delivery.callback_url import CallbackPolicy, CallbackUrl, read_callback_url
from dispatcher.delivery.client import Answer
from dispatcher.delivery.outbox import Outbox
from dispatcher.delivery.receivers import Receivers
from dispatcher.delivery.schedule import delay_s
from dispatcher.errors import GoneError, InvalidCallbackUrlError, NotFoundError
from dispatcher.jobs import Delivery, Job
from dispatcher.results.base import ResultStore
from dispatcher.telemetry.logs import log_about
from dispatcher.telemetry.metrics import Metrics
from dispatcher.telemetry.tracing import JOB_ID
from step_app.contract.spans import NO_TRACING, SpanKind, Tracer
from step_app.contract.trace_context import TraceContext, begun_by

_log = logging.getLogger(__name__)

_GONE: Final = 410
_GOOD: Final = range(200, 300)
_PAUSE_AFTER_FAULT_S: Final = 30.0
"""Until what failed through our own fault is tried again; it costs no try."""


class Caller(Protocol):
    """Sends one webhook; ``WebhookClient`` is one."""

    async def post(
        self,
        url: CallbackUrl,
        body: bytes,
        *,
        message_id: str,
        trace: TraceContext | None = None,
    ) -> Answer:
        """Send it and return what came of it."""
        ...


class WebhookSender:
    """Delivers the webhooks of one store."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        results: ResultStore,
        caller: Caller,
        policy: CallbackPolicy,
        document_of: Callable[[Job], bytes],
        metrics: Metrics,
        jitter: random.Random,
        tracer: Tracer = NO_TRACING,
    ) -> None:
        self._outbox = outbox
        self._results = results
        self._caller = caller
        self._policy = policy
        self._document_of = document_of
        self._metrics = metrics
        self._jitter = jitter
        self._tracer = tracer
        self._receivers = Receivers()
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send until cancelled; calls under way are then broken off, to be made again."""
        try:
            for delivery in await self._results.deliveries():
                self._outbox.add(delivery)
            while True:
                await self._line_up_due()
                self._start_calls()
                await self._outbox.wait()
        finally:
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    async def _line_up_due(self) -> None:
        while (delivery := self._outbox.take()) is not None:
            try:
                url = await self._find_url(delivery)
            except Exception:
                self._put_off(delivery)
                continue
            if url is not None:
                self._receivers.add(url.receiver, delivery)

    async def _find_url(self, delivery: Delivery) -> CallbackUrl | None:
        """Return where a webhook goes; None when there is nothing to send."""
        try:
            job = await self._results.get(delivery.job_id)
            return read_callback_url(job.webhook_url or "", self._policy)
        except (NotFoundError, GoneError):
            await self._end(delivery, "lost")
        except InvalidCallbackUrlError:
            # The operator allowed it when it was accepted, and may do so again.
            await self._settle(delivery, Answer(None, "its address is not allowed"), receiver="")
        return None

    def _start_calls(self) -> None:
        while (turn := self._receivers.take()) is not None:
            call = asyncio.create_task(self._call(*turn))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _call(self, receiver: str, delivery: Delivery) -> None:
        answered_after_s = None
        try:
            job = await self._results.get(delivery.job_id)
            log_about(job)
            url = read_callback_url(job.webhook_url or "", self._policy)
            crash_point("webhook_claimed")
            started = time.monotonic()
            answer = await self._post(url, job, tries=delivery.tries + 1)
            if answer.status is not None:
                answered_after_s = time.monotonic() - started
            crash_point("webhook_sent")
            await self._settle(delivery, answer, receiver=receiver)
        except Exception:
            self._put_off(delivery)
        finally:
            self._receivers.put_back(receiver, answered_after_s=answered_after_s)
            self._outbox.notify()

    async def _post(self, url: CallbackUrl, job: Job, *, tries: int) -> Answer:
        cause = job.trace or begun_by(job.id)
        with self._tracer.begin("webhook", parent=cause, kind=SpanKind.CLIENT) as span:
            answer = await self._caller.post(
                url, self._document_of(job), message_id=f"msg_{job.id}", trace=span.context
            )
            if span.is_recorded:
                span.note({JOB_ID: job.id, "conveyor.attempt": tries, "server.address": url.host})
                if answer.status is not None:
                    span.note({"http.response.status_code": answer.status})
            if answer.status not in _GOOD:
                span.end(error=str(answer.status or "no_answer"))
        return answer

    async def _settle(self, delivery: Delivery, answer: Answer, *, receiver: str) -> None:
        """Decide what comes after a try, and record it."""
        if answer.status in _GOOD:
            await self._end(delivery, "delivered")
            return
        tries = delivery.tries + 1
        pause_s = delay_s(tries, jitter=self._jitter.random(), retry_after_s=answer.retry_after_s)
        told = {"job_id": delivery.job_id, "receiver": receiver, "tries": tries}
        if answer.status == _GONE or pause_s is None:
            _log.warning("a webhook is given up: %s", answer.reason, extra=told)
            await self._end(delivery, "given_up")
            return
        _log.info("a webhook is tried again later: %s", answer.reason, extra=told)
        self._metrics.webhooks.labels("failed_try").inc()
        again = Delivery(delivery.job_id, due_at=time.time() + pause_s, tries=tries)
        await self._results.put_delivery(again)
        self._outbox.put_off(again)

    async def _end(self, delivery: Delivery, outcome: str) -> None:
        await self._results.end_delivery(delivery.job_id)
        self._outbox.forget(delivery.job_id)
        self._metrics.webhooks.labels(outcome).inc()

    def _put_off(self, delivery: Delivery) -> None:
        """Try again what failed through our own fault: a store that fails may work in a moment."""
        _log.exception("a webhook is put off", extra={"job_id": delivery.job_id})
        due_at = time.time() + _PAUSE_AFTER_FAULT_S
        self._outbox.put_off(Delivery(delivery.job_id, due_at=due_at, tries=delivery.tries))
