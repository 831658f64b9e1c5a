"""How the stages of a job were run: records that go with the job for as long as it is kept."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChunkRun:
    """One chunk of a tiled stage as it was run."""

    index: int
    rows: int
    duration_s: float
    replica: str
    attempts: int
    dispatcher: str = ""
    """Name of the one that had it computed; empty where there is only one."""
    began_at: float | None = None
    """Unix seconds: when its answer came, less what it took; None when nobody here has
    had it computed."""


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage of a job as it was run."""

    step_id: str
    type: str
    duration_s: float
    """Of the slowest picture, where a split gave the stage several."""
    replica: str
    attempts: int
    from_cache: bool = False
    """Whether an earlier job had done this stage for the same picture."""
    chunks: tuple[ChunkRun, ...] = ()
    began_at: float | None = None
    """Likewise, of the picture that ``duration_s`` is of."""
