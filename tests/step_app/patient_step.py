"""A step that would go on for ever, and asks at every turn whether it shall."""

import threading
from collections.abc import Mapping, Sequence
from typing import Final

from step_app.checkpoints import checkpoint
from step_app.steps.base import JsonOutput, Outcome, StepRequest

ENDLESS: Final = b"endless"
"""An image that takes for ever; every other one is echoed at once."""


class PatientStep:
    """Works on one image at a time."""

    revision = "patient-1"
    description: Mapping[str, str] = {"model": "patient"}
    is_batched = False

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        """Released each time an endless image is begun."""
        self.finished: list[bytes] = []

    def prepare(self, request: StepRequest) -> bytes:
        return request.image

    def run(self, batch: Sequence[bytes]) -> Sequence[Outcome]:
        (image,) = batch
        if image == ENDLESS:
            self.begun.release()
            turn = threading.Event()
            while True:
                checkpoint()
                turn.wait(0.001)
        self.finished.append(image)
        return [JsonOutput({"echo": image.decode()})]
