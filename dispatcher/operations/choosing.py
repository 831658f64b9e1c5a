"""Which queue a command means: that of a running service, or that of stores nobody has open."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dispatcher.operations.remote import remote_queue
from dispatcher.operations.target import OperationError, QueueTarget
from dispatcher.settings import Settings
from dispatcher.storage.notice import find_running, local_url
from dispatcher.storage.writer import DATABASE_NAME

_DEFAULT_PORT: Final = 8080


@dataclass(frozen=True, slots=True)
class Choice:
    """What the command line says about whom to ask."""

    settings: Settings
    url: str | None
    """Ask this one and no other."""
    is_direct: bool
    """Open the stores, also when a service runs: possible where several have them open."""
    api_key: str | None


@asynccontextmanager
async def open_queue(choice: Choice) -> AsyncIterator[QueueTarget]:
    """Speak to the queue that is meant until the end of the block.

    A service that runs is asked; else the stores are opened, if they outlive the service.

    Raises:
        OperationError: there is no such queue now.
    """
    async with AsyncExitStack() as stack:
        url = choice.url or (None if choice.is_direct else _url_to_try(choice.settings))
        if url is not None:
            remote = await stack.enter_async_context(remote_queue(url, api_key=choice.api_key))
            if choice.url is not None or await remote.is_there():
                yield remote
                return
        settings = choice.settings
        if settings.queue == "memory":
            raise OperationError("no service runs, and a queue in memory ends with its service")
        if settings.queue == "sqlite" and not _has_jobs(settings.data_dir):
            raise OperationError(f"no service runs, and {settings.data_dir} holds no queue")
        # Loaded only now: the stores take longer than to ask a service.
        from dispatcher.operations.direct import direct_queue  # noqa: PLC0415

        yield await stack.enter_async_context(direct_queue(settings))


def _url_to_try(settings: Settings) -> str | None:
    """Return where a service may be; None when nobody can have the data directory open."""
    running = find_running(settings.data_dir)
    if running is not None:
        return running.url
    if settings.queue == "sqlite" and _has_jobs(settings.data_dir):
        # Whoever listens at the usual port is another one: its jobs are not meant.
        return None
    return local_url(settings.host, settings.port or _DEFAULT_PORT)


def _has_jobs(directory: Path) -> bool:
    return (directory / DATABASE_NAME).exists()
