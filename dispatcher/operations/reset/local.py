"""What ``./setup.sh cluster`` and ``./setup.sh run`` have started: found by what they leave."""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from dispatcher.errors import StartupError
from dispatcher.operations.cluster.state import ClusterState, read_state
from dispatcher.operations.command import run_queue_command
from dispatcher.operations.reset.stack import Part, ask_ready
from dispatcher.storage.notice import Notice, find_running

_RESTARTED_WITHIN_S: Final = 300.0
_LOOK_S: Final = 0.2
_PROCESSES: Final = Path("/proc")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ClusterStack:
    """A cluster that ``./setup.sh cluster`` runs in another terminal."""

    folder: Path
    say: Say

    @property
    def name(self) -> str:
        """Say what this is."""
        return f"the cluster in {self.folder}"

    @property
    def warning(self) -> str:
        """Say what a restart means."""
        return "Images are refused for up to a minute; what was accepted goes on afterwards."

    def parts(self) -> Sequence[Part]:
        """Return its processes."""
        state = self._state()
        parts = [Part("cluster", state.phase == "ready", f"{state.phase}, process {state.pid}")]
        for name, pid in state.members.items():
            notice = find_running(self.folder / name)
            if notice is None:
                is_there = _is_there(pid)
                detail = f"process {pid}" if is_there else f"process {pid} has ended"
                parts.append(Part(name, is_there, detail))
            else:
                parts.append(ask_ready(name, notice.url))
        return parts

    def queue(self, arguments: Sequence[str]) -> None:
        """Carry out a command about its queue."""
        run_queue_command([*arguments, "--url", self._state().url])

    def restart(self) -> None:
        """Have its own supervisor restart all of it, and wait for that."""
        before = self._state()
        os.kill(before.pid, signal.SIGHUP)
        phase, ends_at = "", time.monotonic() + _RESTARTED_WITHIN_S
        while True:
            state = self._state()
            if state.restarts > before.restarts and state.phase == "ready":
                self.say(f"restarted; it is ready on {state.url}")
                return
            if state.phase not in (phase, "ready"):
                phase = state.phase
                self.say(phase)
            if time.monotonic() > ends_at:
                raise StartupError(f"{self.name} is not ready again; its logs are in its folder")
            time.sleep(_LOOK_S)

    def _state(self) -> ClusterState:
        state = read_state(self.folder)
        if state is None:
            raise StartupError(f"{self.name} has ended; ./setup.sh cluster starts it")
        return state


@dataclass(frozen=True, slots=True)
class ServiceStack:
    """A dispatcher that ``./setup.sh run`` runs in another terminal, and its replicas."""

    data_dir: Path
    say: Say

    @property
    def name(self) -> str:
        """Say what this is."""
        return f"the service of {self.data_dir}"

    @property
    def warning(self) -> str:
        """Say what a restart means."""
        return (
            "It finishes what it has in hand, ends, and is run again in this terminal with the "
            "same flags. A queue in memory loses what it cannot finish in time."
        )

    def parts(self) -> Sequence[Part]:
        """Return the dispatcher and its child processes."""
        notice = self._notice()
        parts = [ask_ready("dispatcher", notice.url)]
        children = _children(notice.pid)
        parts += [Part("replica", is_well=True, detail=f"process {pid}") for pid in children]
        return parts

    def queue(self, arguments: Sequence[str]) -> None:
        """Carry out a command about its queue."""
        run_queue_command([*arguments, "--url", self._notice().url])

    def restart(self) -> None:
        """End it as Ctrl-C does, then become it."""
        pid = self._notice().pid
        process = _PROCESSES / str(pid)
        try:
            command = _strings(process / "cmdline")
            environment = dict(entry.partition("=")[::2] for entry in _strings(process / "environ"))
            folder = (process / "cwd").readlink()
            os.kill(pid, signal.SIGTERM)
        except OSError as exc:
            raise StartupError(f"cannot restart process {pid}: {exc.strerror}") from exc
        self.say(f"waiting for process {pid} to finish what it has in hand")
        while _is_there(pid):
            time.sleep(_LOOK_S)
        self.say(f"starting: {' '.join(command)}")
        sys.stdout.flush()
        _become(command, environment, folder)

    def _notice(self) -> Notice:
        notice = find_running(self.data_dir)
        if notice is None:
            raise StartupError(f"{self.name} has ended; ./setup.sh run starts it")
        return notice


def _become(command: Sequence[str], environment: dict[str, str], folder: Path) -> NoReturn:
    os.chdir(folder)
    os.execvpe(command[0], list(command), environment)


def _strings(path: Path) -> list[str]:
    """Return the texts of a file of /proc, which end with a zero byte each."""
    return [os.fsdecode(part) for part in path.read_bytes().split(b"\0") if part]


def _is_there(pid: int) -> bool:
    """Say whether a process runs; one that has ended and was not fetched yet does not."""
    try:
        state = (_PROCESSES / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _children(pid: int) -> Sequence[int]:
    try:
        tasks = list((_PROCESSES / str(pid) / "task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
