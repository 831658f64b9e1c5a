"""What ``docker compose up`` has started in this folder."""

import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dispatcher.errors import StartupError
from dispatcher.operations.reset.containers import (
    Container,
    Service,
    compose,
    read_containers,
    read_known,
    read_services,
    runs,
)
from dispatcher.operations.reset.stack import Part

COMPOSE_FILE: Final = "docker-compose.yml"
_SERVERS: Final = ("rabbitmq", "redis", "minio")
_WORKERS: Final = ("worker",)
_ENTRANCES: Final = ("api",)
_FRONT: Final = ("nginx",)

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
        return [_part(container) for container in read_containers(self.folder)]

    def queue(self, arguments: Sequence[str]) -> None:
        """Carry out a command about its queue, in a container that has its passwords."""
        options = ["--no-TTY"] if "--yes" in arguments or arguments[0] == "status" else []
        command = ("python", "-m", "dispatcher", "queue", *arguments, "--direct")
        self._run((), "exec", *options, _ENTRANCES[0], *command)

    def restart(self) -> None:
        """Restart its containers, tier by tier, each ready before the next."""
        services = self._services()
        tiers = [list(map(services.__getitem__, tier)) for tier in restart_order(services)]
        self._stop(tiers)
        for tier in tiers:
            self._start(tier)
        self.say("restarted")

    def _services(self) -> dict[str, Service]:
        """Return what can be ended and started again, before anything is ended."""
        found = read_services(self.folder)
        known = {one.files: read_known(self.folder, one.files) for one in found}
        for one in found:
            if one.name not in known[one.files]:
                self.say(f"{one.name} stays as it is: no file of its project knows it any more")
        return {one.name: one for one in found if one.name in known[one.files]}

    def _stop(self, tiers: Sequence[Sequence[Service]]) -> None:
        """End all tiers, the last one first; when one cannot be ended, all run again."""
        for place in reversed(range(len(tiers))):
            self.say(f"ending {_names(tiers[place])}")
            try:
                for files, names in _by_files(tiers[place]):
                    self._run(files, "stop", *names)
            except StartupError:
                # The tier that failed as well: some of its containers may have ended.
                self._bring_back(tiers[place:])
                raise

    def _start(self, tier: Sequence[Service]) -> None:
        self.say(f"starting {_names(tier)}")
        scales = {one.name: f"--scale={one.name}={one.scale}" for one in tier}
        for files, names in _by_files(tier):
            options = ["--detach", "--no-deps", "--wait", *map(scales.__getitem__, names)]
            self._run(files, "up", *options, *names)

    def _bring_back(self, tiers: Sequence[Sequence[Service]]) -> None:
        """Start as much as can be started; what has failed first is told last."""
        for tier in tiers:
            try:
                self._start(tier)
            except StartupError as exc:
                self.say(f"error: {exc}")

    def _run(self, files: Sequence[str], verb: str, *arguments: str) -> None:
        """Run a command of compose before everybody's eyes."""
        status = subprocess.call([*compose(files), verb, *arguments], cwd=self.folder)
        if status:
            raise StartupError(f"docker compose {verb} ended with status {status}")


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


def _names(tier: Sequence[Service]) -> str:
    return ", ".join(one.name for one in tier)


def _by_files(tier: Sequence[Service]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Yield files, and the names of those that were started with them."""
    for files in dict.fromkeys(one.files for one in tier):
        yield files, [one.name for one in tier if one.files == files]


def _part(container: Container) -> Part:
    health = str(container.get("Health") or "")
    is_done = container.get("State") == "exited" and container.get("ExitCode") == 0
    is_well = is_done or (runs(container) and health in ("", "healthy"))
    detail = str(container.get("Status") or container.get("State") or "unknown")
    return Part(str(container.get("Service") or container.get("Name")), is_well, detail)
