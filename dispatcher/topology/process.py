"""One replica as a supervised child process: started, probed, replaced when it ends or hangs.

What a kubelet does for a pod: a process that ends is started again, after longer and longer
pauses when it ends soon; one that stops answering ``/livez`` is killed.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from dispatcher.errors import StartupError
from dispatcher.pools.client import ReadyReport, ReplicaClient
from step_app.contract.limits import EXIT_CONFIGURATION

_log = logging.getLogger(__name__)

_PROJECT: Final = Path(__file__).resolve().parents[2]
_START_SILENCE_S: Final = 60.0
"""How long a starting process may answer nothing at all, imports and a busy machine included."""
_STARTING_PROBE_S: Final = 0.2
_LIVENESS_INTERVAL_S: Final = 2.0
_LIVENESS_TIMEOUT_S: Final = 2.0
_LIVENESS_FAILURES: Final = 3
_TERM_GRACE_S: Final = 12.0
_STABLE_AFTER_S: Final = 10.0
_CHUNK_BYTES: Final = 64 * 1024
_MAX_BACKOFF_S: Final = 10.0
_MAX_REASON: Final = 300
_NICENESS: Final = 5

OnChange = Callable[[], None]


class ReplicaProcess:
    """Keeps one replica running."""

    def __init__(
        self,
        *,
        name: str,
        command: Sequence[str],
        environment: Callable[[], Mapping[str, str]],
        port: int | None,
        client: ReplicaClient,
        on_change: OnChange,
    ) -> None:
        """Prepare a replica; nothing is started.

        Args:
            name: for logs and people.
            command: what to execute.
            environment: gives the variables of the process, asked at every start.
            port: where it shall listen; None, or one that is taken, means a free one.
            client: asks the process how it is.
            on_change: called whenever ``url`` or ``report`` may have changed.
        """
        self.name = name
        self.port = port or _free_port()
        """Where it listens, or will; kept from start to start while it is free."""
        self.url: str | None = None
        """Where the running process answers; None while there is none."""
        self.report: ReadyReport | None = None
        """What it said of itself when it became ready; None before that."""
        self.trouble = ""
        """Why it had to be started again; empty once it is ready."""
        self._command = command
        self._environment = environment
        self._client = client
        self._on_change = on_change
        self._last_error = ""

    @property
    def address(self) -> str:
        """Return where it answers while it runs."""
        return f"http://127.0.0.1:{self.port}"

    async def run(self) -> None:
        """Keep the process running until cancelled; then end it.

        Raises:
            StartupError: the process says that it can never start.
        """
        quick_ends = 0
        while True:
            started = time.monotonic()
            try:
                status: int | None = await self._run_once()
            except* OSError:
                # No more processes or files at the moment; what ran before goes on.
                _log.exception("replica %s could not be started", self.name)
                status, self._last_error = None, "the process could not be started"
            if status == EXIT_CONFIGURATION:
                raise StartupError(self._last_error or "the replica refused its configuration")
            self.trouble = self._last_error or f"it ended with status {status}"
            quick_ends = 0 if time.monotonic() - started > _STABLE_AFTER_S else quick_ends + 1
            _log.warning("replica %s ended with status %s; starting it again", self.name, status)
            await asyncio.sleep(0 if quick_ends <= 1 else min(0.25 * 2**quick_ends, _MAX_BACKOFF_S))

    async def _run_once(self) -> int:
        if not _is_free(self.port):
            self.port = _free_port()
        self._last_error = ""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=_PROJECT,
            env={**os.environ, **self._environment(), "SERVICE_PORT": str(self.port)},
            # The child ends when this pipe closes, so that not even a killed dispatcher
            # leaves one behind.
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # Ctrl-C in a terminal reaches the whole group; the dispatcher drains first.
            start_new_session=True,
        )  # fmt: skip
        self.url = self.address
        self._on_change()
        _make_nice(process.pid)
        async with asyncio.TaskGroup() as tasks:
            forward = tasks.create_task(self._forward_output(process))
            probe = tasks.create_task(self._probe(process, self.url))
            try:
                status = await process.wait()
            finally:
                probe.cancel()
                self.url = self.report = None
                self._on_change()
                await asyncio.shield(_end(process))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(forward, timeout=1.0)
        return status

    async def _probe(self, process: asyncio.subprocess.Process, url: str) -> None:
        """Wait until the process is ready, then watch that it lives; kill it when it does not."""
        missed_since: float | None = None
        while missed_since is None or time.monotonic() - missed_since < _START_SILENCE_S:
            self.report = await self._client.probe(url, timeout_s=_LIVENESS_TIMEOUT_S)
            if self.report is not None:
                self.trouble = ""
                self._on_change()
                await self._watch(url)
                break
            # A first start may fetch and convert for minutes, but it answers meanwhile.
            is_alive = await self._client.is_alive(url, timeout_s=_LIVENESS_TIMEOUT_S)
            missed_since = None if is_alive else missed_since or time.monotonic()
            await asyncio.sleep(_STARTING_PROBE_S)
        self._last_error = "it did not answer"
        _log.warning("replica %s does not answer; killing it", self.name)
        with contextlib.suppress(ProcessLookupError):
            process.kill()

    async def _watch(self, url: str) -> None:
        """Return when the process has missed several probes in a row."""
        missed = 0
        while missed < _LIVENESS_FAILURES:
            await asyncio.sleep(_LIVENESS_INTERVAL_S)
            is_alive = await self._client.is_alive(url, timeout_s=_LIVENESS_TIMEOUT_S)
            missed = 0 if is_alive else missed + 1

    async def _forward_output(self, process: asyncio.subprocess.Process) -> None:
        """Log what the process prints; remember the line that says why it cannot start."""
        assert process.stdout is not None
        rest = b""
        while chunk := await process.stdout.read(_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-_CHUNK_BYTES:]
            for line in lines:
                text = line.decode(errors="replace").rstrip()
                if text.startswith("error: "):
                    self._last_error = text.removeprefix("error: ")[:_MAX_REASON]
                _log.info("replica %s: %s", self.name, text)


def _make_nice(pid: int) -> None:
    """Let the dispatcher, which needs little, have a core as soon as it wants one.

    A replica that computes would make it wait for milliseconds after every sync of the disk. What
    a replica gets done stays the same: nobody else wants the rest of the time.
    """
    with contextlib.suppress(OSError):  # it has ended already
        os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
        # Where the kernel shares the processor among sessions first, that of the session counts.
        Path(f"/proc/{pid}/autogroup").write_text(str(_NICENESS))


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process: politely, then by force."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)  # a stopped process could not react
    try:
        await asyncio.wait_for(process.wait(), timeout=_TERM_GRACE_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _free_port() -> int:
    """Return a port that is free now; should it be taken meanwhile, the next start tries anew."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    """Say whether a server could listen there; connections that linger do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
