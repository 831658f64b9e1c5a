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
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import uvicorn

from dispatcher.api.guards.closing import PoliteServer
from dispatcher.api.guards.connections import connection_class
from dispatcher.api.guards.exposure import check_exposure, connection_limits
from dispatcher.api.guards.farewell import Farewell
from dispatcher.app import create_app
from dispatcher.errors import StartupError
from dispatcher.settings import Settings
from dispatcher.storage.directory import open_data_dir
from dispatcher.storage.notice import local_url, notice_posted
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.discovery import follow_records
from dispatcher.wiring import Services, Teamwork, build_services
from dispatcher.wiring_topology import DEFAULT_STEP

_log = logging.getLogger(__name__)
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_LISTEN_BACKLOG: Final = 2048
_GARBAGE_THRESHOLD: Final = 20_000
_DRAIN_POLL_S: Final = 0.05
_LAST_POLLS_S: Final = 1.0
"""How long results of the last jobs can still be fetched before the service ends."""


class _Loops:
    """The loops that run beside the server; one that dies takes the service with it."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, loop: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run a loop until the stack is closed."""
        task = asyncio.create_task(loop)
        self._tasks.append(task)

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(stop)
        return task

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
    check_exposure(settings)
    # From the beginning: as the first process of a container it would not be ended otherwise.
    told_to_end = _told_to_end()
    async with AsyncExitStack() as stack:
        listener = _listen(settings.host, settings.port)
        stack.callback(listener.close)
        stack.enter_context(open_data_dir(settings.data_dir, is_durable=settings.queue != "memory"))
        url = local_url(*listener.getsockname()[:2])
        stack.enter_context(notice_posted(settings.data_dir, url=url))
        services = build_services(settings)
        stack.push_async_callback(asyncio.to_thread, services.tracer.close)
        if services.keys is not None:
            services.keys.open()
        loops = await _start_unless(told_to_end, services, stack)
        if loops is None:
            _say("Told to end before it was ready")
        else:
            await _serve_until(told_to_end, services, listener, loops)


def _told_to_end() -> asyncio.Event:
    """Return an event that a signal to end sets."""
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, told_to_end.set)
    return told_to_end


async def _start_unless(
    told_to_end: asyncio.Event, services: Services, stack: AsyncExitStack
) -> "_Loops | None":
    """Start everything; None when it was told to end meanwhile, which may be long."""
    starting = asyncio.create_task(_start(services, stack))
    ending = asyncio.create_task(told_to_end.wait())
    await asyncio.wait([starting, ending], return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    if starting.done():
        return await starting
    starting.cancel()
    await asyncio.wait([starting])
    return None


async def _start(services: Services, stack: AsyncExitStack) -> _Loops:
    """Start everything bottom up; the stack closes it in the reverse order."""
    if services.writer is not None:
        await services.writer.start()
        stack.push_async_callback(services.writer.close)
    for server in services.servers:
        await server.start()
        stack.push_async_callback(server.close)
    for resource in (
        services.queue,
        services.results,
        services.blobs,
        services.client,
        services.webhooks,
    ):
        await resource.start()
        stack.push_async_callback(resource.close)
    if services.cluster is not None:
        await services.cluster.start()
        stack.push_async_callback(services.cluster.close)
    await services.launcher.start()
    stack.push_async_callback(services.launcher.close)
    stack.push_async_callback(services.pools.close)
    # What has been made so far stays: the garbage collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    loops = _Loops(stack)
    if services.writer is not None:
        loops.add(services.writer.watch())
    await _discover(services, loops)
    if services.teamwork is None:
        going_on = await services.recovery.run()
        if going_on:
            _say(f"{going_on} jobs of the last run go on")
    else:
        _share(services, services.teamwork, loops)
    if services.settings.role != "api":
        loops.add(services.consumer.run())
    loops.add(services.deadlines.run(services.endings.expire))
    loops.add(services.collector.run(services.results))
    loops.add(services.monitor.run())
    loops.add(services.webhook_sender.run())
    loops.add(services.scaling.run())
    return loops


def _share(services: Services, teamwork: Teamwork, loops: _Loops) -> None:
    """Look after what other dispatchers do: nothing of an earlier process is this one's alone."""
    loops.add(
        teamwork.ended_elsewhere.run(
            queue=services.queue,
            results=services.results,
            endings=services.endings,
            blobs=services.blobs,
        )
    )
    if services.settings.role != "api":
        loops.add(teamwork.restocking.run())
        if teamwork.chunks is not None:
            loops.add(teamwork.chunks.run())


async def _discover(services: Services, loops: _Loops) -> None:
    """Know the pipelines before any job is run or accepted: none is failed as unknown."""
    is_known = asyncio.Event()

    def note_applied(records: Sequence[StepRecord]) -> None:
        services.scaling.take(records)
        is_known.set()

    following = loops.add(
        follow_records(
            services.discovery,
            pipelines=services.pipelines,
            pools=services.pools,
            on_applied=note_applied,
        )
    )
    knowing = asyncio.create_task(is_known.wait())
    await asyncio.wait([knowing, following], return_when=asyncio.FIRST_COMPLETED)
    if following.done():
        knowing.cancel()
        await following  # raises why it ended


async def _serve_until(
    told_to_end: asyncio.Event, services: Services, listener: socket.socket, loops: _Loops
) -> None:
    limits = connection_limits(services.settings)
    server = PoliteServer(
        uvicorn.Config(
            Farewell(create_app(services), is_draining=lambda: services.lifecycle.is_draining),
            lifespan="off",
            http=connection_class(limits),
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            # Nobody in front is trusted until a setting names whom.
            proxy_headers=False,
            timeout_keep_alive=int(limits.idle_timeout_s),
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
        for number in _SIGNALS:
            # A second Ctrl-C ends at once.
            asyncio.get_running_loop().remove_signal_handler(number)
        await _drain(services)
    finally:
        ending.cancel()
        replicas.cancel()
        beside.cancel()
        services.lifecycle.ending.set()
        services.results.stop_waiting()
        server.should_exit = True
        await serving
        if services.teamwork is not None:
            await services.teamwork.ended_elsewhere.leave(services.queue)


async def _watch_replicas(services: Services, listener: socket.socket) -> None:
    """Announce the service once it will work, then wait for as long as its replicas run."""
    host, port = listener.getsockname()[:2]
    url = f"http://{host}:{port}"
    if services.awaited_replicas:
        description = await _wait_ready(services)
        services.lifecycle.is_started = True
        _say(f"Conveyor is ready on {url}: {description}")
        _say(f"Try: curl -F image=@images/koala.jpg {url}/predict")
    elif services.settings.topology != "local":
        services.lifecycle.is_started = True
        _say(f"Conveyor is ready on {url}: {await services.launcher.wait_ready()}")
    else:
        services.lifecycle.is_started = True
        _say(f"Conveyor is ready on {url}: without a default pipeline")
    await services.launcher.supervise()


async def _wait_ready(services: Services) -> str:
    """Wait for the default pipeline; return what runs, for people."""
    replicas, model = services.awaited_replicas, services.settings.model
    _say(f"Starting {replicas} x {model}; the first start converts the model")
    description = await services.launcher.wait_ready()
    await services.pools.wait_all_ready(str(DEFAULT_STEP), replicas)
    return f"{replicas} x {description}"


async def _drain(services: Services) -> None:
    """Finish what is in work, or all of it where the next start would know nothing of it."""
    services.lifecycle.is_draining = True
    queue = services.queue
    if queue.outlives_process:
        services.consumer.pause()
        _say(f"Draining: {queue.leased()} jobs to finish, {queue.depth()} kept for the next start")
    else:
        _say(f"Draining: {queue.depth() + queue.leased()} jobs to finish")

    def to_finish() -> int:
        return queue.leased() + (0 if queue.outlives_process else queue.depth())

    had_work = to_finish() > 0
    try:
        async with asyncio.timeout(services.settings.drain_timeout_s):
            while to_finish():  # noqa: ASYNC110 - no event
                await asyncio.sleep(_DRAIN_POLL_S)
    except TimeoutError:
        fate = "go on at the next start" if queue.outlives_process else "are lost"
        _log.error("%d jobs were not finished in time and %s", to_finish(), fate)
    if had_work:
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
