"""Starts a cluster in order, keeps it running, restarts it in order, and ends it in order.

Servers first, then the steps, then the workers, then who accepts images; the other way round at the
end, so that whoever has work in hand still finds what it needs.
"""

import asyncio
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from dispatcher.delivery.signing import load_signer
from dispatcher.operations.cluster.member import Member
from dispatcher.operations.cluster.plan import (
    Ports,
    Program,
    dispatcher_program,
    load_secrets,
    server_programs,
    shared_environment,
)
from dispatcher.operations.cluster.state import ClusterState, remove_state, write_state
from dispatcher.operations.cluster.steps import running_steps
from dispatcher.settings import Settings
from dispatcher.storage.directory import open_data_dir
from dispatcher.storage.notice import find_running

_SERVER_GRACE_S: Final = 20.0
_DRAIN_MARGIN_S: Final = 10.0
_ASK_TIMEOUT_S: Final = 2.0
_RECORDS_FOLDER: Final = "records"


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """What a person asked for."""

    folder: Path
    """Where everything of the cluster is."""
    workers: int
    blob_url: str
    """Where images and results are kept; a folder of the cluster's unless told otherwise."""
    settings: Settings
    """Of the steps: which model, how many replicas."""
    flags: Sequence[str]
    """What every dispatcher is told besides."""


class Cluster:
    """All processes of one cluster."""

    def __init__(self, plan: ClusterPlan, *, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._say = say
        self._members: list[Member] = []
        self._state = ClusterState(os.getpid(), phase="starting")
        self._port = 0

    async def run(self, *, ending: asyncio.Event, restart: asyncio.Event) -> None:
        """Run until told to end.

        Args:
            ending: set when all of it shall end.
            restart: set whenever all of it shall be restarted.

        Raises:
            StartupError: a part of it cannot start; nothing of it runs then.
        """
        folder = self._plan.folder
        async with AsyncExitStack() as stack:
            stack.enter_context(open_data_dir(folder))
            load_signer(None, data_dir=folder)
            (folder / _RECORDS_FOLDER).mkdir(exist_ok=True)
            stack.callback(remove_state, folder)
            while not ending.is_set():
                async with AsyncExitStack() as processes:
                    starting = asyncio.create_task(self._start(processes))
                    await _first_of(starting, ending)
                    if starting.done():
                        await starting
                        await self._rest(ending, restart)
                    else:
                        starting.cancel()
                        await asyncio.wait([starting])
                    if ending.is_set():
                        self._note(phase="ending")
                    self._say("Ending, in order" if ending.is_set() else "Restarting, in order")

    async def _rest(self, ending: asyncio.Event, restart: asyncio.Event) -> None:
        """Return when something shall be done."""
        restart.clear()
        waiting = asyncio.create_task(restart.wait())
        await _first_of(waiting, ending)
        waiting.cancel()
        if not ending.is_set():
            self._note(phase="restarting", restarts=self._state.restarts + 1)

    async def _start(self, stack: AsyncExitStack) -> None:
        plan, folder = self._plan, self._plan.folder.resolve()
        self._members.clear()
        ports = Ports(*(free_port() for _ in range(4)))
        known = load_secrets(folder)
        names, *servers = server_programs(folder, ports, known)
        await self._add([names], stack, grace_s=_SERVER_GRACE_S)
        await self._add(servers, stack, grace_s=_SERVER_GRACE_S)
        self._say("Starting the steps; the first start converts the model")
        stack.push_async_callback(self._tell, "steps end")
        await stack.enter_async_context(
            running_steps(plan.settings, records_dir=folder / _RECORDS_FOLDER)
        )
        shared = shared_environment(folder, ports, known, blob_url=plan.blob_url)
        grace_s = plan.settings.drain_timeout_s + _DRAIN_MARGIN_S
        workers = [f"worker-{number}" for number in range(1, plan.workers + 1)]
        for role, members in (("worker", workers), ("api", ["api"])):
            programs = [self._dispatcher(name, role, shared) for name in members]
            await self._add(programs, stack, grace_s=grace_s)
        url = f"http://127.0.0.1:{self._port}"
        self._note(phase="ready", url=url)
        self._say(f"Conveyor is ready on {url}: one api, {plan.workers} workers")
        self._say(f"Try: curl -F image=@images/koala.jpg {url}/predict")
        self._say(f"Logs are in {plan.folder}; Ctrl-C ends all of it")

    def _dispatcher(self, name: str, role: str, shared: Mapping[str, str]) -> Program:
        folder = self._plan.folder.resolve()
        program = dispatcher_program(
            name,
            folder=folder,
            role=role,
            port=self._choose_port() if role == "api" else 0,
            records_dir=folder / _RECORDS_FOLDER,
            flags=self._plan.flags,
        )
        return replace(program, environment=shared)

    async def _add(
        self, programs: Sequence[Program], stack: AsyncExitStack, *, grace_s: float
    ) -> None:
        """Start programs together, and return once all of them serve."""
        members = [self._member(program, grace_s=grace_s) for program in programs]
        for member in members:
            self._say(f"Starting {member.name}")
            self._members.append(member)
            stack.push_async_callback(member.stop)
            stack.push_async_callback(self._tell, f"{member.name} ends")
        try:
            async with asyncio.TaskGroup() as starts:
                for member in members:
                    starts.create_task(member.start(partial(_look, member.program)))
        except ExceptionGroup as exc:
            raise exc.exceptions[0] from exc

    def _member(self, program: Program, *, grace_s: float) -> Member:
        return Member(
            program,
            folder=self._plan.folder,
            grace_s=grace_s,
            on_change=self._note,
            say=self._say,
        )

    async def _tell(self, line: str) -> None:
        self._say(line)

    def _choose_port(self) -> int:
        """Return where clients send: the usual place when it is free, the same after a restart."""
        if not self._port:
            wanted = self._plan.settings.port
            self._port = wanted if wanted and _is_free(wanted) else free_port()
        return self._port

    def _note(
        self, *, phase: str | None = None, url: str | None = None, restarts: int | None = None
    ) -> None:
        """Keep what is so now, for others to read."""
        state = self._state
        self._state = replace(
            state,
            phase=phase or state.phase,
            url=url or state.url,
            restarts=state.restarts if restarts is None else restarts,
            members={m.name: m.pid for m in self._members if m.pid is not None},
        )
        write_state(self._plan.folder, self._state)


async def _look(program: Program) -> bool:
    return await asyncio.to_thread(is_serving, program)


def is_serving(program: Program) -> bool:
    """Say whether a process does its work: a dispatcher says so, a server listens."""
    if program.data_dir is None:
        assert program.port is not None
        return _is_listening(program.port)
    notice = find_running(program.data_dir)
    if notice is None:
        return False
    try:
        with urllib.request.urlopen(f"{notice.url}/readyz", timeout=_ASK_TIMEOUT_S):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def _first_of(
    task: "asyncio.Task[object] | asyncio.Task[None]", event: asyncio.Event
) -> None:
    """Return when a task is done or an event is set."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
