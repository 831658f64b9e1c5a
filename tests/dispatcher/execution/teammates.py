"""Dispatchers that share RabbitMQ, Redis and an object store, all of them in this process.

Each has its own connections, intake, consumer and loops, wired as the product wires them; only the
replicas are scripted.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from dispatcher.delivery.outbox import Outbox
from dispatcher.execution.consumer import Consumer
from dispatcher.execution.deadlines import Deadlines
from dispatcher.intake.admission import Admission, Limits
from dispatcher.intake.cache import ResultCache
from dispatcher.intake.coalescing import Coalescing
from dispatcher.intake.elsewhere import EndedElsewhere
from dispatcher.intake.endings import Endings
from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.intake.restocking import Restocking
from dispatcher.intake.submission import Intake
from dispatcher.jobs import Job
from dispatcher.settings import Settings
from dispatcher.stores import Elsewhere, Stores
from dispatcher.telemetry.figures import Figures
from dispatcher.telemetry.metrics import Metrics
from dispatcher.wiring_shared import build_shared_stores
from tests.dispatcher.execution.belt import Belt
from tests.dispatcher.intake.submitting import upload
from tests.dispatcher.waiting import until

SOON_S = 0.3
"""How often a dispatcher looks for what others left, and how old that is."""


class Teammate:
    """One of several dispatchers."""

    def __init__(self, stores: Settings, line: Belt) -> None:
        self.line = line
        self.coalescing = Coalescing()
        self.ended_elsewhere = EndedElsewhere(self.coalescing)
        self.stores: Stores = build_shared_stores(
            stores,
            Outbox(),
            Elsewhere(
                on_stop=lambda job_id: self.consumer.stop(job_id),  # noqa: PLW0108 - made below
                on_ended=self.ended_elsewhere.note,
                on_lost=lambda: None,  # it hears of that like all others
                on_hurry=lambda: self.restocking.hurry(),  # noqa: PLW0108 - likewise
                on_return=self.ended_elsewhere.look_now,
            ),
        )
        self.queue, self.results, self.blobs = (
            self.stores.queue,
            self.stores.results,
            self.stores.blobs,
        )
        self.figures = Figures(Metrics())
        self.deadlines = Deadlines()
        self._make_endings()
        self._make_intake()
        self._make_consumer()
        assert self.stores.shared is not None
        self.restocking = Restocking(
            self.stores.shared,
            queue=self.queue,
            endings=self.endings,
            look_every_s=SOON_S,
            old_enough_s=SOON_S,
            hurried_look_every_s=SOON_S,
        )
        self._stack = AsyncExitStack()
        self._working: list[asyncio.Task[None]] = []

    def _make_endings(self) -> None:
        cache = ResultCache(max_size=100)
        self.endings = Endings(
            queue=self.queue,
            results=self.results,
            blobs=self.blobs,
            cache=cache,
            coalescing=self.coalescing,
            figures=self.figures,
            stop_work=lambda job_id: self.consumer.stop(job_id),  # noqa: PLW0108 - made below
            forget=self.deadlines.forget,
        )
        self.cache = cache

    def _make_intake(self) -> None:
        self.intake = Intake(
            queue=self.queue,
            results=self.results,
            blobs=self.blobs,
            pipelines=self.line.pipelines,
            cache=self.cache,
            coalescing=self.coalescing,
            endings=self.endings,
            figures=self.figures,
            watch=self.deadlines.watch,
            is_draining=lambda: False,
            admission=Admission(
                queue=self.queue,
                figures=self.figures,
                pipelines=self.line.pipelines,
                pools=self.line.pools,
                limits=Limits(),
            ),
        )

    def _make_consumer(self) -> None:
        self.consumer = Consumer(
            queue=self.queue,
            results=self.results,
            executor=replace(self.line, blobs=self.blobs).executor,
            pipelines=self.line.pipelines,
            pools=self.line.pools,
            figures=self.figures,
            deadlines=self.deadlines,
            expire=self.endings.expire,
            is_wanted_by_others=lambda _: False,
            on_ended=self.endings.settle,
            end_linked=self.endings.settle_linked,
            find_answer=self.endings.find_answer,
        )

    async def start(self) -> None:
        """Connect, and hear of what others end; nothing is worked on yet."""
        rooms: Sequence[Any] = (*self.stores.servers, self.queue, self.results, self.blobs)
        for room in rooms:
            await room.start()
            self._stack.push_async_callback(room.close)
        self._run(
            self.ended_elsewhere.run(
                queue=self.queue,
                results=self.results,
                endings=self.endings,
                blobs=self.blobs,
                look_every_s=SOON_S,
            )
        )
        await until(lambda: not any(server.unready() for server in self.stores.servers))

    def work(self) -> None:
        """Take jobs, and look for those that have lost their place."""
        self._run(self.consumer.run())
        self._run(self.restocking.run())

    async def close(self) -> None:
        """End in order."""
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        await self._stack.aclose()

    async def submit(self, seed: int = 0, **options: Any) -> Job:
        """Accept an image."""
        return await self.intake.submit(upload(seed), SubmitOptions(**options))

    async def ended(self, job: Job) -> Job:
        """Return a job once it has ended, whoever has accepted it."""
        found = await self.results.wait(job.id, timeout_s=20.0)
        assert found.state.is_terminal, found.state
        return found

    def _run(self, loop: Coroutine[Any, Any, None]) -> None:
        self._working.append(asyncio.create_task(loop))


@dataclass(frozen=True)
class Servers:
    """Where the servers are that a team shares."""

    rabbitmq_url: str
    redis_url: str
    blob_url: str


class Team:
    """Starts dispatchers that share the same servers and replicas."""

    def __init__(self, servers: Servers, folder: Path, line: Belt) -> None:
        self._settings = Settings(
            queue="rabbitmq",
            queue_capacity=5000,
            topology="files",
            records_dir=folder,
            share_tiles=False,
            rabbitmq_url=SecretStr(servers.rabbitmq_url),
            redis_url=SecretStr(servers.redis_url),
            blob_url=SecretStr(servers.blob_url),
        )
        self._line = line
        self._stack = AsyncExitStack()

    async def join(self, *, works: bool = True) -> Teammate:
        """Return one more dispatcher; it ends with the test, or before."""
        mate = Teammate(self._settings, self._line)
        await mate.start()
        self._stack.push_async_callback(mate.close)
        if works:
            mate.work()
        return mate

    async def close(self) -> None:
        """End all of them."""
        await self._stack.aclose()


@asynccontextmanager
async def team(servers: Servers, folder: Path, line: Belt) -> AsyncIterator[Team]:
    """Start as many dispatchers as a test wants."""
    made = Team(servers, folder, line)
    try:
        yield made
    finally:
        await made.close()
