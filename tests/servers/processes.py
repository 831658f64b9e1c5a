"""Servers as ordinary processes: started on free ports, interrupted in every way, ended by id."""

import os
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_READY_WITHIN_S: Final = 60.0
_STOPPED_WITHIN_S: Final = 30.0
_GUARD: Final = """
import os, signal, sys
watched = set()
for line in sys.stdin:
    sign, pid = line.split()
    (watched.add if sign == "+" else watched.discard)(int(pid))
for pid in watched:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


class Guard:
    """A process that outlives the tests for a moment and ends the servers that they left behind.

    It reads from a pipe that closes whatever the tests die of. A signal at the parent's death
    would do without it, but that comes when the *thread* ends which started the server.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the tests
        )

    def watch(self, pid: int) -> None:
        """End this process when the tests are gone."""
        self._tell("+", pid)

    def forget(self, pid: int) -> None:
        """This process has ended; another may get its id."""
        self._tell("-", pid)

    def close(self) -> None:
        """End what is still watched, and the guard."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _tell(self, sign: str, pid: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{sign} {pid}\n")
        self._process.stdin.flush()


class ServerProcess(ABC):
    """One server on ports and data that stay the same, whatever becomes of its process.

    Its methods block: in a test with an event loop of its own that must go on, call them by
    ``asyncio.to_thread``.
    """

    def __init__(self, guard: Guard, folder: Path) -> None:
        """Prepare a server; nothing is started.

        Args:
            guard: who ends it if the tests cannot.
            folder: where its data and its log are.
        """
        self.folder = folder
        self._guard = guard
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start it and return once it serves."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it without waiting for it."""
        assert self._process is None, "the last one has not been stopped"
        with (self.folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.folder,
                env={**os.environ, **self._environment()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._guard.watch(self._process.pid)

    def wait_ready(self) -> None:
        """Return once it serves."""
        ends_at = time.monotonic() + _READY_WITHIN_S
        while not self._is_ready():
            assert self.is_running(), f"it ended by itself: {self.output()}"
            assert time.monotonic() < ends_at, f"it does not serve: {self.output()}"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it politely; return when it has."""
        self.resume()
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as abruptly as a process can end."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """End it politely and start it on the same ports and data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Let it stand still: its connections stay, and nobody answers on them."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def is_running(self) -> bool:
        """Say whether its process is there, paused or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    def output(self) -> str:
        """Return the end of what it has printed."""
        return (self.folder / "output.log").read_text(errors="replace")[-4000:]

    def close(self) -> None:
        """Leave no process behind."""
        if self._process is not None:
            self.kill()

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """Return what starts the server so that the process *is* the server."""

    def _environment(self) -> Mapping[str, str]:
        """Return what the server's environment has besides that of the tests."""
        return {}

    @abstractmethod
    def _is_ready(self) -> bool:
        """Say whether it serves."""

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "it does not run"
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None, "it does not run"
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            process.wait(_STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            self._guard.forget(process.pid)


def is_listening(port: int) -> bool:
    """Say whether somebody accepts connections at a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
