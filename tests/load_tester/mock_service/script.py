"""What the mock service does to each upload: how long it works, and what it does wrong. Pure."""

import math
import random
from dataclasses import dataclass

from tests.load_tester.mock_service.truth import Fault


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """What the service shall do; shares are parts of 1, the same seed does the same."""

    service_s: float = 0.05
    """How long one job takes: always, or in the median when there is a spread."""
    spread: float = 0.0
    """Sigma of a lognormal distribution of the service time; 0 for a fixed one."""
    workers: int = 0
    """How many jobs are worked on at once, in the order of their arrival; 0: no limit."""
    hold: bool = True
    """Whether a look at a result is held until it is there."""
    errors: float = 0.0
    wrong_labels: float = 0.0
    lost: float = 0.0
    twice: float = 0.0
    seed: int = 0
    freeze_after_s: float | None = None
    """Stop dead once, this long after the first upload."""
    freeze_s: float = 0.0
    check_bodies: bool = False
    """Compute a checksum of each body; for clients that write bodies in their own way."""


class Dice:
    """Draws what becomes of one upload after the other."""

    def __init__(self, script: Script) -> None:
        self._script = script
        # One for each, so that faults stay where they are when the spread changes.
        self._durations = random.Random(f"durations {script.seed}")
        self._faults = random.Random(f"faults {script.seed}")

    def draw_service_s(self) -> float:
        """Return how long the next job takes, in seconds."""
        script = self._script
        if script.spread == 0:
            return script.service_s
        return script.service_s * math.exp(self._durations.gauss(0, script.spread))

    def draw_fault(self) -> Fault:
        """Return what is done to the next upload."""
        script = self._script
        rest = self._faults.random()
        for fault, share in (
            (Fault.ERROR, script.errors),
            (Fault.WRONG_LABEL, script.wrong_labels),
            (Fault.LOST, script.lost),
            (Fault.TWICE, script.twice),
        ):
            if rest < share:
                return fault
            rest -= share
        return Fault.NONE


def right_label(file: str) -> str:
    """Return the label that the service's right answers give to a file: its name's stem."""
    return file.rpartition(".")[0] or file
