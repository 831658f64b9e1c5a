"""What runs on this machine, however it was started."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

_ASK_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Part:
    """One program of a stack."""

    name: str
    is_well: bool
    detail: str
    """For people: where it runs, or what is wrong."""


class Stack(Protocol):
    """Everything that was started together. All methods raise ``StartupError``."""

    @property
    def name(self) -> str:
        """Say, for people, what this is."""
        ...

    @property
    def warning(self) -> str:
        """Say what a restart means for those who use it."""
        ...

    def parts(self) -> Sequence[Part]:
        """Return what belongs to it."""
        ...

    def queue(self, arguments: Sequence[str]) -> None:
        """Carry out a command about its queue."""
        ...

    def restart(self) -> None:
        """End it and start it again: servers first, then workers, then who accepts images."""
        ...


def ask_ready(name: str, url: str) -> Part:
    """Return how a dispatcher is, as it says itself."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=_ASK_TIMEOUT_S):
            return Part(name, is_well=True, detail=f"ready, {url}")
    except urllib.error.HTTPError as exc:
        with exc:
            return Part(name, is_well=False, detail=f"{url}: {_reasons(exc.read())}")
    except (OSError, ValueError) as exc:
        return Part(name, is_well=False, detail=f"{url} does not answer: {exc}")


def _reasons(body: bytes) -> str:
    try:
        reasons = json.loads(body)["reasons"]
        return "; ".join("".join(filter(str.isprintable, str(reason))) for reason in reasons)
    except (ValueError, KeyError, TypeError):
        return "it gives no reason"
