"""A sender over a store in memory, and a caller that does as it is told."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from dispatcher.delivery.callback_url import CallbackPolicy, CallbackUrl
from dispatcher.delivery.client import Answer
from dispatcher.delivery.outbox import Outbox
from dispatcher.delivery.sender import Caller, WebhookSender
from dispatcher.jobs import Delivery, Job
from dispatcher.results.memory import MemoryResultStore
from dispatcher.telemetry.metrics import Metrics
from step_app.contract.spans import NO_TRACING, Tracer
from step_app.contract.trace_context import TraceContext
from tests.dispatcher.records import completed, make_job

ANYWHERE = CallbackPolicy(allow_http=True, allow_private=True)
URL = "https://hooks.example.com/hook"
DELIVERED = Answer(200, "it answered with 200")
BROKEN = Answer(500, "it answered with 500")


@dataclass(frozen=True)
class Call:
    """One webhook as a caller got it."""

    receiver: str
    message_id: str
    body: bytes
    trace: TraceContext | None = None


@dataclass
class ScriptedCaller:
    """Answers as told, host by host, and with 200 when nothing was said."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    """Hosts that never answer."""
    calls: list[Call] = field(default_factory=list)
    open_calls: Counter[str] = field(default_factory=Counter)
    most_open: Counter[str] = field(default_factory=Counter)

    async def post(
        self,
        url: CallbackUrl,
        body: bytes,
        *,
        message_id: str,
        trace: TraceContext | None = None,
    ) -> Answer:
        """Take note of a call and answer it."""
        self.calls.append(Call(url.host, message_id, body, trace))
        self.open_calls[url.host] += 1
        self.most_open[url.host] = max(self.most_open[url.host], self.open_calls[url.host])
        try:
            if url.host in self.silent:
                await asyncio.Event().wait()
            await asyncio.sleep(0)
            waiting = self.answers.get(url.host)
            return waiting.pop(0) if waiting else DELIVERED
        finally:
            self.open_calls[url.host] -= 1


@dataclass
class Post:
    """A store with what is to be sent, and whoever sends it."""

    caller: ScriptedCaller = field(default_factory=ScriptedCaller)
    outbox: Outbox = field(default_factory=Outbox)
    metrics: Metrics = field(default_factory=Metrics)
    results: MemoryResultStore = field(init=False)

    def __post_init__(self) -> None:
        self.results = MemoryResultStore(
            retention_s=60.0, retention_count=10_000, on_due=self._take
        )

    def _take(self, delivery: Delivery) -> None:
        self.outbox.add(delivery)

    async def end(self, job_id: str = "job-1", *, url: str = URL) -> Job:
        """End a job with a webhook."""
        job = make_job(job_id, webhook_url=url)
        await self.results.add(job)
        ended = completed(job)
        assert await self.results.save(ended)
        return ended

    @contextlib.asynccontextmanager
    async def sending(
        self,
        *,
        policy: CallbackPolicy = ANYWHERE,
        caller: Caller | None = None,
        document_of: Callable[[Job], bytes] | None = None,
        tracer: Tracer = NO_TRACING,
    ) -> AsyncIterator[None]:
        """Send until the end of the block."""
        sender = WebhookSender(
            self.outbox,
            results=self.results,
            caller=self.caller if caller is None else caller,
            policy=policy,
            document_of=document_of or (lambda job: json.dumps({"id": job.id}).encode()),
            metrics=self.metrics,
            jitter=random.Random(1),
            tracer=tracer,
        )
        task = asyncio.create_task(sender.run())
        try:
            yield
            assert not task.done(), "the loop has died"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def restart(self) -> None:
        """Forget everything but the store, as the end of a process does."""
        self.outbox = Outbox()

    def counted(self, outcome: str) -> float:
        """Return what the metrics say of an outcome."""
        sample = f'dispatcher_webhooks_total{{outcome="{outcome}"}}'
        text = self.metrics.render(depth=0, oldest_age_s=0.0, blob_bytes=0, replicas=[]).decode()
        values = [line.split()[-1] for line in text.splitlines() if line.startswith(sample)]
        return float(values[0]) if values else 0.0
