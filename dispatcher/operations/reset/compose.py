"""What ``docker compose up`` has started in this folder."""

import json
import shutil
import subprocess
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dispatcher.errors import StartupError
from dispatcher.operations.reset.stack import Part

COMPOSE_FILE: Final = "docker-compose.yml"
_SERVERS: Final = ("rabbitmq", "redis", "minio")
_WORKERS: Final = ("worker",)
_ENTRANCES: Final = ("api",)
_FRONT: Final = ("nginx",)
_LOOK_TIMEOUT_S: Final = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ComposeStack:
    """The containers of one compose project."""

    folder: Path
    say: Say

    @property
    def name(self) -> str:
        """Say what this is."""
        return f"the containers of {self.folder / COMPOSE_FILE}"

    @property
    def warning(self) -> str:
        """Say what a restart means."""
        return "Images are refused for some minutes; what was accepted goes on afterwards."

    def parts(self) -> Sequence[Part]:
        """Return its containers."""
        return [_part(container) for container in self._containers()]

    def queue(self, arguments: Sequence[str]) -> None:
        """Carry out a command about its queue, in a container that has its passwords."""
        options = ["--no-TTY"] if "--yes" in arguments or arguments[0] == "status" else []
        command = ("python", "-m", "dispatcher", "queue", *arguments, "--direct")
        self._run("exec", *options, _ENTRANCES[0], *command)

    def restart(self) -> None:
        """Restart its containers, tier by tier, each ready before the next."""
        running = {str(one.get("Service")) for one in self._containers() if _runs(one)}
        tiers = restart_order(running)
        for tier in reversed(tiers):
            self.say(f"ending {', '.join(tier)}")
            self._run("stop", *tier)
        for tier in tiers:
            self.say(f"starting {', '.join(tier)}")
            self._run("up", "--detach", "--no-deps", "--wait", *tier)
        self.say("restarted")

    def _containers(self) -> Sequence[dict[str, Any]]:
        """Return what compose tells of each: in one list or, by its version, a line each."""
        done = _compose(self.folder, "ps", "--all", "--format", "json", timeout_s=_LOOK_TIMEOUT_S)
        try:
            found = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        except ValueError as exc:
            raise StartupError("docker compose gives an answer that makes no sense") from exc
        return found[0] if len(found) == 1 and isinstance(found[0], list) else found

    def _run(self, *arguments: str) -> None:
        """Run a command of compose before everybody's eyes."""
        status = subprocess.call(["docker", "compose", *arguments], cwd=self.folder)
        if status:
            raise StartupError(f"docker compose {arguments[0]} ended with status {status}")


def find_compose(folder: Path, say: Say) -> ComposeStack | None:
    """Return the containers of a folder; None when there are none, or no docker compose."""
    if not (folder / COMPOSE_FILE).exists() or shutil.which("docker") is None:
        return None
    stack = ComposeStack(folder, say)
    try:
        return stack if stack.parts() else None
    except StartupError:
        return None


def restart_order(running: Collection[str]) -> Sequence[Sequence[str]]:
    """Return the services that run, in the order in which they start: servers, steps, workers …

    Args:
        running: names of services; those that nobody knows here are steps.
    """
    known = {*_SERVERS, *_WORKERS, *_ENTRANCES, *_FRONT}
    steps = sorted(set(running) - known)
    tiers = (_SERVERS, steps, _WORKERS, _ENTRANCES, _FRONT)
    found = ([name for name in tier if name in running] for tier in tiers)
    return [tier for tier in found if tier]


def _compose(folder: Path, *arguments: str, timeout_s: float) -> "subprocess.CompletedProcess[str]":
    command = ["docker", "compose", *arguments]
    try:
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True, timeout=timeout_s
        )
    except subprocess.CalledProcessError as exc:
        said = exc.stderr.strip().splitlines() or [f"status {exc.returncode}"]
        raise StartupError(f"docker compose {arguments[0]}: {said[-1]}") from exc
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise StartupError(f"docker compose {arguments[0]}: {exc}") from exc


def _part(container: dict[str, Any]) -> Part:
    health = str(container.get("Health") or "")
    is_done = container.get("State") == "exited" and container.get("ExitCode") == 0
    is_well = is_done or (_runs(container) and health in ("", "healthy"))
    detail = str(container.get("Status") or container.get("State") or "unknown")
    return Part(str(container.get("Service") or container.get("Name")), is_well, detail)


def _runs(container: dict[str, Any]) -> bool:
    return container.get("State") == "running"
