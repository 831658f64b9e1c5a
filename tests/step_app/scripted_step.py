"""A step whose every move is known: it does what the bytes of its image say."""

import threading
from collections.abc import Mapping, Sequence
from typing import Final

from step_app.errors import ImageCorruptError, StepError
from step_app.steps.base import JsonOutput, StepRequest

UNREADABLE: Final = b"unreadable"
"""Fails alone in ``prepare``, as a damaged image does."""
UNEXPECTED: Final = b"unexpected"
"""Breaks ``prepare`` with an error that is no StepError."""
POISON: Final = b"poison"
"""Decodes well, then breaks the whole batch that it is in."""
SHORTENS: Final = b"shortens"
"""Makes ``run`` give fewer outcomes than it was given items."""
REFUSED: Final = b"refused"
"""Gets a StepError of its own out of ``run``; the batch is well."""


class ScriptedStep:
    """Echoes its images; holds every batch back while its gate is closed."""

    revision = "scripted-1"
    description: Mapping[str, str] = {"model": "scripted"}

    def __init__(self, *, is_batched: bool = True) -> None:
        self.is_batched = is_batched
        self.gate = threading.Event()
        self.gate.set()
        self.computing = threading.Event()
        """Set as soon as a batch has been started."""
        self.prepared: list[bytes] = []
        self.threads: set[str] = set()
        """Names of the threads on which images were prepared."""
        self.batches: list[list[bytes]] = []

    def prepare(self, request: StepRequest) -> bytes:
        image = request.image
        self.threads.add(threading.current_thread().name)
        if image == UNREADABLE:
            raise ImageCorruptError
        if image == UNEXPECTED:
            raise ZeroDivisionError
        self.prepared.append(image)
        return image

    def run(self, batch: Sequence[bytes]) -> Sequence[JsonOutput | StepError]:
        self.batches.append(list(batch))
        self.computing.set()
        assert self.gate.wait(timeout=30)
        if POISON in batch:
            raise RuntimeError("the network broke")
        if SHORTENS in batch:
            return []
        return [
            ImageCorruptError() if image == REFUSED else JsonOutput({"echo": image.decode()})
            for image in batch
        ]
