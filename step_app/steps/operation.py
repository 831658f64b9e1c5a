"""What a step that changes pictures is: a pure function of pixels and params."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from step_app.contract.step_types import StepType
from step_app.errors import InvalidParamsError

Pixels = npt.NDArray[np.uint8]
"""A picture: shape (height, width, 3) in RGB, or (height, width) in grey; contiguous."""
Params = Mapping[str, Any]
"""Params in force, complete and valid by the step type's schema."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What an operation made of one picture."""

    pictures: Sequence[Pixels]
    """One, or the pieces of a split in reading order."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What it has to say of it, as JSON."""


@dataclass(frozen=True, slots=True)
class Halo:
    """What a chunk needs beside its own rows to come out as in the whole picture."""

    rows: int
    """Rows above and below."""
    alignment: int = 1
    """The first of those rows has to be a multiple of this."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, loaded and warmed up."""

    step_type: StepType
    revision: str
    """Names the arithmetic: same revision and params, same pixels."""
    apply: Callable[[Pixels, Params], Applied]
    """Raises a StepError when this picture or these params cannot be."""
    halo: Callable[[Params], Halo] | None = None
    """None when the result of a row depends on all others: no tiles."""
    stops_itself: bool = False
    """Whether it has checkpoints of its own, so that it need not be run in bands."""

    def require_halo(self, params: Params) -> Halo:
        """Return the halo.

        Raises:
            InvalidParamsError: this operation cannot be cut into tiles.
        """
        if self.halo is None:
            raise InvalidParamsError(f"tiles: {self.step_type.name} cannot be cut into tiles")
        return self.halo(params)
