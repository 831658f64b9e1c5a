"""docker-compose.yml as Compose would read it, with variables still in place."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
FILE: Final = ROOT / "docker-compose.yml"
RECORDS: Final = ROOT / "dispatcher" / "compose" / "records"

Service = Mapping[str, Any]


@cache
def composition() -> Mapping[str, Any]:
    """All of the file; the anchors and merges are resolved."""
    document = yaml.safe_load(FILE.read_text())
    assert isinstance(document, dict)
    return document


def services() -> Mapping[str, Service]:
    """Every service by its name, those of profiles included."""
    found = composition()["services"]
    assert isinstance(found, dict)
    return found


def dispatchers() -> Mapping[str, Service]:
    """The services that are dispatchers."""
    return {name: services()[name] for name in ("api", "worker")}


def steps() -> Mapping[str, Service]:
    """The services that are replicas of steps."""
    return {
        name: service
        for name, service in services().items()
        if service["image"].startswith("conveyor-step:")
    }


def networks_of(name: str) -> Sequence[str]:
    """The networks of a service."""
    return list(services()[name].get("networks", ()))
