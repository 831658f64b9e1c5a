"""Start, serve, drain, end: the life of one dispatcher process.

::

    start ──▶ replicas ready: a line is printed ──▶ SIGTERM or Ctrl-C ──▶ drain ──▶ end

While it drains it refuses new images, finishes what was accepted, and still answers polls.
"""

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Final

import uvicorn

from dispatcher.app import create_app
from dispatcher.errors import StartupError
from dispatcher.settings import Settings
from dispatcher.topology.discovery import follow_records
from dispatcher.wiring import DEFAULT_STEP, Services, build_services, open_data_dir

_log = logging.getLogger(__name__)
_LISTEN_BACKLOG: Final = 2048
_GARBAGE_THRESHOLD: Final = 20_000
_DRAIN_POLL_S: Final = 0.05
_LAST_POLLS_S: Final = 1.0
"""How long results of the last jobs can still be fetched before the service ends."""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: a signal must drain before it stops."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


class _Loops:
    """The loops that run beside the server; one that dies takes the service with it."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, loop: Coroutine[Any, Any, None]) -> None:
        """Run a loop until the stack is closed."""
        task = asyncio.create_task(loop)
        self._tasks.append(task)

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(stop)

    async def watch(self) -> None:
        """Wait for as long as all loops run.

        Raises:
            Exception: what ended one of them.
        """
        await asyncio.gather(*self._tasks)


async def serve(settings: Settings) -> None:
    """Run the service until it is told to end.

    Raises:
        StartupError: it cannot start.
    """
    async with AsyncExitStack() as stack:
        listener = _listen(settings.host, settings.port)
        stack.callback(listener.close)
        stack.enter_context(open_data_dir(settings.data_dir))
        services = build_services(settings)
        loops = await _start(services, stack)
        await _serve_until_signal(services, listener, loops)


async def _start(services: Services, stack: AsyncExitStack) -> _Loops:
    """Start everything bottom up; the stack closes it in the reverse order."""
    for resource in (
        services.queue,
        services.results,
        services.blobs,
        services.client,
    ):
        await resource.start()
        stack.push_async_callback(resource.close)
    await services.launcher.start()
    stack.push_async_callback(services.launcher.close)
    stack.push_async_callback(services.pools.close)
    # What has been made so far stays: the garbage collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    loops = _Loops(stack)
    loops.add(services.consumer.run())
    loops.add(services.collector.run(services.results))
    loops.add(services.monitor.run())
    loops.add(
        follow_records(services.discovery, pipelines=services.pipelines, pools=services.pools)
    )
    return loops


async def _serve_until_signal(services: Services, listener: socket.socket, loops: _Loops) -> None:
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told_to_end.set)
    server = _Server(
        uvicorn.Config(
            create_app(services),
            lifespan="off",
            http="httptools",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            # Nobody in front is trusted until a setting names whom.
            proxy_headers=False,
            # Longer than clients and proxies pause between polls; a shorter one resets them.
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    ending = asyncio.create_task(told_to_end.wait())
    replicas = asyncio.create_task(_watch_replicas(services, listener))
    beside = asyncio.create_task(loops.watch())
    try:
        await asyncio.wait([ending, replicas, beside, serving], return_when=asyncio.FIRST_COMPLETED)
        for task in (replicas, beside, serving):
            if task.done():
                await task  # raises why it ended
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)  # a second Ctrl-C ends at once
        await _drain(services)
    finally:
        ending.cancel()
        replicas.cancel()
        beside.cancel()
        server.should_exit = True
        await serving


async def _watch_replicas(services: Services, listener: socket.socket) -> None:
    """Announce the service once it will work, then wait for as long as its replicas run."""
    settings = services.settings
    _say(f"Starting {settings.replicas} x {settings.model}; the first start converts the model")
    description = await services.launcher.wait_ready()
    await services.pools.wait_all_ready(str(DEFAULT_STEP), settings.replicas)
    services.lifecycle.is_started = True
    host, port = listener.getsockname()[:2]
    url = f"http://{host}:{port}"
    _say(f"Conveyor is ready on {url}: {settings.replicas} x {description}")
    _say(f"Try: curl -F image=@images/koala.jpg {url}/predict")
    await services.launcher.supervise()


async def _drain(services: Services) -> None:
    """Finish what was accepted, for as long as the settings allow."""
    services.lifecycle.is_draining = True
    waiting = services.queue.depth() + services.queue.leased()
    _say(f"Draining: {waiting} jobs to finish")
    try:
        async with asyncio.timeout(services.settings.drain_timeout_s):
            while services.queue.depth() or services.queue.leased():  # noqa: ASYNC110 - no event
                await asyncio.sleep(_DRAIN_POLL_S)
    except TimeoutError:
        left = services.queue.depth() + services.queue.leased()
        _log.error("%d jobs were not finished in time and are lost", left)
    if waiting:
        await asyncio.sleep(_LAST_POLLS_S)


def _say(line: str) -> None:
    """Tell the person at the terminal; logs go to standard error."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _listen(host: str, port: int) -> socket.socket:
    """Open the port before anything else starts, so that a taken one costs nothing."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_LISTEN_BACKLOG)
    except OSError as exc:
        listener.close()
        raise StartupError(
            f"cannot listen on {host}:{port}: {exc.strerror}; choose another with --port"
        ) from exc
    return listener
