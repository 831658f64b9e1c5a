"""What a cluster says of itself, in a file of its folder, to those who did not start it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

STATE_FILE: Final = "state.json"


@dataclass(frozen=True, slots=True)
class ClusterState:
    """A cluster at one moment."""

    pid: int
    """Of the process that all others end with."""
    phase: str
    """starting, ready, restarting or ending."""
    restarts: int = 0
    """How often all of it was restarted in order."""
    url: str = ""
    """Where clients send; empty before that is known."""
    members: Mapping[str, int] = field(default_factory=dict)
    """The processes that run, by name: their ids."""


def write_state(folder: Path, state: ClusterState) -> None:
    """Put a state in place of the last one, whole."""
    path = folder / STATE_FILE
    new = path.with_name(f".{STATE_FILE}.new")
    new.write_bytes(msgspec.json.encode(state))
    new.replace(path)


def remove_state(folder: Path) -> None:
    """Say that nothing runs any more."""
    (folder / STATE_FILE).unlink(missing_ok=True)


def read_state(folder: Path) -> ClusterState | None:
    """Return the state of a cluster that runs; None when none does."""
    try:
        state = msgspec.json.decode((folder / STATE_FILE).read_bytes(), type=ClusterState)
        os.kill(state.pid, 0)
    except PermissionError:  # somebody else's
        return None
    except (OSError, msgspec.MsgspecError):
        return None
    return state
