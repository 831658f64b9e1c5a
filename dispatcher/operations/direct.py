"""The stores of a service that does not run, opened by the command itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Final

from dispatcher.api.queue_documents import (
    PURGE_FIELDS,
    REQUEUE_FIELDS,
    PurgedDocument,
    QueueDocument,
    RequeuedDocument,
    purged_document,
    queue_document,
    read_order,
    requeued_document,
    selection_of,
)
from dispatcher.errors import RequestError, StartupError
from dispatcher.intake.queue_operations import MAX_STEP, QueueOperations
from dispatcher.intake.requeueing import Requeueing
from dispatcher.operations.target import OperationError, Order
from dispatcher.servers.base import Ready
from dispatcher.settings import Settings
from dispatcher.storage.directory import open_data_dir
from dispatcher.wiring import Services, build_services

_SERVERS_TIMEOUT_S: Final = 15.0
_LOOK_S: Final = 0.1


class DirectQueue:
    """A ``QueueTarget`` over stores that are open."""

    def __init__(self, services: Services, operations: QueueOperations, *, name: str) -> None:
        self._services = services
        self._operations = operations
        self._name = name
        self._is_recovered = services.teamwork is not None

    @property
    def name(self) -> str:
        """Say what is spoken to."""
        return self._name

    @property
    def may_drain(self) -> bool:
        """Say whether a dispatcher may be there that takes jobs off the same queue."""
        return self._services.queue.is_shared

    async def state(self) -> QueueDocument:
        """Return what waits, what is in work and what has failed."""
        with _problems_told():
            return queue_document(
                await self._operations.look(),
                backend=self._services.settings.queue,
                capacity=self._operations.capacity,
            )

    async def purge(self, order: Order) -> PurgedDocument:
        """Cancel jobs that wait, or drop failed ones."""
        await self._recover()
        with _problems_told():
            fields = read_order(order, allowed=PURGE_FIELDS)
            is_about_failed = fields.get("what") == "failed"
            operations = self._operations
            purge = operations.purge_failed if is_about_failed else operations.purge_waiting
            return purged_document(
                await purge(selection_of(fields), limit=fields.get("limit", MAX_STEP))
            )

    async def requeue(self, order: Order) -> RequeuedDocument:
        """Repeat failed jobs."""
        await self._recover()
        with _problems_told():
            fields = read_order(order, allowed=REQUEUE_FIELDS)
            return requeued_document(
                await self._operations.requeue(
                    selection_of(fields),
                    after=fields.get("after"),
                    limit=fields.get("limit", MAX_STEP),
                )
            )

    async def _recover(self) -> None:
        """Know who holds what, as a service does before it changes anything."""
        if not self._is_recovered:
            self._is_recovered = True
            await self._services.recovery.run()


@asynccontextmanager
async def direct_queue(settings: Settings) -> AsyncIterator[DirectQueue]:
    """Open what the settings name until the end of the block.

    Raises:
        OperationError: another dispatcher has it, or a server does not answer.
    """
    name = f"the data directory {settings.data_dir}"
    async with AsyncExitStack() as stack:
        try:
            if settings.queue == "rabbitmq":
                name = "the servers, without a dispatcher"
            else:
                stack.enter_context(open_data_dir(settings.data_dir, is_durable=True))
            services = await stack.enter_async_context(started_stores(settings))
        except StartupError as exc:
            raise OperationError(str(exc)) from exc
        requeueing = Requeueing(
            intake=services.intake,
            blobs=services.blobs,
            pipelines=None,
            coalescing=services.coalescing,
            figures=services.figures,
        )
        operations = QueueOperations(
            queue=services.queue,
            results=services.results,
            endings=services.endings,
            requeueing=requeueing,
        )
        yield DirectQueue(services, operations, name=name)


@asynccontextmanager
async def started_stores(settings: Settings) -> AsyncIterator[Services]:
    """Open the stores alone, bottom up, until the end of the block.

    Raises:
        StartupError: one cannot be opened, or a server does not answer in time.
    """
    # Which replicas there are does not matter: none is started, and no pipeline is known.
    alone = settings.model_copy(update={"role": "all", "topology": "local", "records_dir": None})
    services = build_services(alone)
    async with AsyncExitStack() as stack:
        if services.writer is not None:
            await services.writer.start()
            stack.push_async_callback(services.writer.close)
        for server in services.servers:
            await server.start()
            stack.push_async_callback(server.close)
        for room in (services.queue, services.results, services.blobs):
            await room.start()
            stack.push_async_callback(room.close)
        await _wait_ready(services)
        yield services


async def _wait_ready(services: Services) -> None:
    ends_at = time.monotonic() + _SERVERS_TIMEOUT_S
    while reasons := _reasons(services):
        if time.monotonic() > ends_at:
            raise OperationError("; ".join(reasons))
        await asyncio.sleep(_LOOK_S)


def _reasons(services: Services) -> Sequence[str]:
    """Say what cannot be reached yet."""
    rooms: Sequence[Ready] = (*services.servers, services.queue, services.results, services.blobs)
    return list(dict.fromkeys(reason for room in rooms if (reason := room.unready())))


@contextmanager
def _problems_told() -> Iterator[None]:
    try:
        yield
    except RequestError as exc:
        raise OperationError(exc.detail, code=exc.code, retry_after_s=exc.retry_after_s) from exc
