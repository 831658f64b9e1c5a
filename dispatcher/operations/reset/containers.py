"""What docker and compose tell of a project: its containers, and the services that they are of."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dispatcher.errors import StartupError

_LOOK_TIMEOUT_S: Final = 20.0
_FILES: Final = "com.docker.compose.project.config_files"
_ONE_OFF: Final = "com.docker.compose.oneoff"
"""A label of what ``docker compose run`` has started, which belongs to no service."""

Container = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Service:
    """A service of which a container runs."""

    name: str
    files: tuple[str, ...]
    """What it was started with: other files would make other containers of it, or know it not at
    all. None where its containers do not tell; then compose looks for itself."""
    scale: int
    """How many containers it has. One that has ended counts: it is wanted as well."""


def read_containers(folder: Path) -> Sequence[Container]:
    """Return what compose tells of each: in one list or, by its version, a line each.

    Raises:
        StartupError: compose gives no answer, or one that makes no sense.
    """
    found = _lines(folder, *compose(), "ps", "--all", "--format", "json")
    return found[0] if len(found) == 1 and isinstance(found[0], list) else found


def read_services(folder: Path) -> Sequence[Service]:
    """Return the services that run. Compose lists containers of files that it was not told of, too.

    Raises:
        StartupError: docker gives no answer, or one that makes no sense.
    """
    containers = read_containers(folder)
    if not containers:
        return []
    ids = [str(one.get("ID")) for one in containers]
    labels = _lines(folder, "docker", "inspect", "--format", "{{json .Config.Labels}}", *ids)
    files: dict[str, tuple[str, ...]] = {}
    names = []
    for container, of_it in zip(containers, labels, strict=True):
        if str(of_it.get(_ONE_OFF, "")).lower() == "true":
            continue
        names.append(str(container.get("Service")))
        if runs(container):
            files[names[-1]] = tuple(filter(None, str(of_it.get(_FILES, "")).split(",")))
    return [Service(name, files[name], names.count(name)) for name in files]


def read_known(folder: Path, files: Sequence[str]) -> Sequence[str]:
    """Return the names of the services in some files; compose refuses all others.

    Raises:
        StartupError: they cannot be read, or a variable that they need is not set.
    """
    return _ask(folder, *compose(files), "config", "--services").split()


def compose(files: Sequence[str] = ()) -> Sequence[str]:
    """Return the command for some files; for those that compose looks for itself without."""
    return ["docker", "compose", *(part for file in files for part in ("--file", file))]


def runs(container: Container) -> bool:
    """Say whether a container runs."""
    return container.get("State") == "running"


def _lines(folder: Path, *command: str) -> list[Any]:
    try:
        return [json.loads(line) for line in _ask(folder, *command).splitlines() if line.strip()]
    except ValueError as exc:
        name = " ".join(command[:2])
        raise StartupError(f"{name} gives an answer that makes no sense") from exc


def _ask(folder: Path, *command: str) -> str:
    name = " ".join(command[:2])
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True, timeout=_LOOK_TIMEOUT_S
        )
    except subprocess.CalledProcessError as exc:
        said = exc.stderr.strip().splitlines() or [f"status {exc.returncode}"]
        raise StartupError(f"{name}: {said[-1]}") from exc
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise StartupError(f"{name}: {exc}") from exc
    return done.stdout
