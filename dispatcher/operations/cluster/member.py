"""One process of a cluster: started, waited for, started again when it ends by itself."""

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from dispatcher.errors import StartupError
from dispatcher.operations.cluster.plan import Program

_READY_WITHIN_S: Final = 90.0
_LOOK_S: Final = 0.1
_AGAIN_AFTER_S: Final = 1.0
_LOG_TAIL: Final = 1500

Ready = Callable[[], Awaitable[bool]]
"""Says whether a process serves."""
OnChange = Callable[[], None]


class Member:
    """Keeps one process running."""

    def __init__(
        self,
        program: Program,
        *,
        folder: Path,
        grace_s: float,
        on_change: OnChange,
        say: Callable[[str], None],
    ) -> None:
        """Prepare a process; nothing is started.

        Args:
            program: what it is.
            folder: where its log goes.
            grace_s: how long it may take to end.
            on_change: called whenever ``pid`` has changed.
            say: tells a person.
        """
        self.program = program
        self._log = folder / f"{program.name}.log"
        self._grace_s = grace_s
        self._on_change = on_change
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Name it."""
        return self.program.name

    @property
    def pid(self) -> int | None:
        """The id of its process; None while there is none."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def start(self, is_ready: Ready) -> None:
        """Start it and return once it serves.

        Raises:
            StartupError: it ended instead, or does not serve in time.
        """
        await self._launch()
        ends_at = time.monotonic() + _READY_WITHIN_S
        while not await is_ready():
            if self.pid is None or time.monotonic() > ends_at:
                raise StartupError(f"{self.name} does not start: {self._last_words()}")
            await asyncio.sleep(_LOOK_S)
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End it: politely, then by force."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
            self._keeping = None
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)  # a stopped process could not react
        try:
            await asyncio.wait_for(process.wait(), timeout=self._grace_s)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._on_change()

    async def _keep(self) -> None:
        """Start it again whenever it ends, until cancelled."""
        while True:
            assert self._process is not None
            status = await self._process.wait()
            self._on_change()
            self._say(f"{self.name} ended with status {status}; it is started again")
            await asyncio.sleep(_AGAIN_AFTER_S)
            await self._launch()

    async def _launch(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_tied(self.program.command),
                env={**os.environ, **self.program.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in a terminal reaches the whole group; the order is kept here.
                start_new_session=True,
            )
        self._on_change()

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._log.read_text(errors="replace")[-_LOG_TAIL:].strip().splitlines()
            return f"{lines[-1]} ({self._log})" if lines else f"see {self._log}"
        return f"see {self._log}"


def _tied(command: Sequence[str]) -> Sequence[str]:
    """Return a command whose process ends with this one, however that ends."""
    setpriv = shutil.which("setpriv")
    return command if setpriv is None else [setpriv, "--pdeathsig", "TERM", *command]
