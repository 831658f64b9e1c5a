"""Which stages of a job travel together, and what each replica is asked: pure decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from dispatcher.jobs import Job
from dispatcher.pipelines.model import Pipeline, Stage, StepKey
from dispatcher.pipelines.overrides import Overrides
from step_app.contract.pictures import MEDIA_TYPES, RAW_MEDIA_TYPE, delivered_as
from step_app.contract.step_types import STEP_TYPES

_BYTES_PER_PIXEL: Final = 3


@dataclass(frozen=True, slots=True)
class Segment:
    """Stages that one replica runs in one request."""

    key: StepKey
    """Names the pool."""
    first: int
    """Place of its first stage in the pipeline."""
    stages: tuple[Stage, ...]
    output: str
    """Media type of the pictures that it gives; empty when it gives data."""
    tiles: int = 1
    """Chunks into which its one stage is cut."""

    @property
    def is_final(self) -> bool:
        """Say whether its pictures are delivered, not handed on to a stage of their own kind."""
        return self.output != RAW_MEDIA_TYPE


def plan(pipeline: Pipeline, job: Job) -> list[Segment]:
    """Cut a pipeline into segments.

    Stages that share a pool travel together: a chain of cheap operations needs one hop, one
    decode and one encode. A stage that is cut into tiles, or that gives data, travels alone.
    """
    last = _last_picture_stage(pipeline.stages)
    segments: list[Segment] = []
    numbered = list(enumerate(pipeline.stages))
    for _, group in groupby(
        numbered, key=lambda entry: _company(entry[0], entry[1], job.overrides)
    ):
        members = list(group)
        first, final = members[0][0], members[-1][0]
        stages = tuple(stage for _, stage in members)
        segments.append(
            Segment(
                key=stages[0].key,
                first=first,
                stages=stages,
                output=_output(stages[-1], is_last=final == last, pipeline=pipeline, job=job),
                tiles=_tiles(stages[0], job.overrides),
            )
        )
    return segments


def request_params(stages: Sequence[Stage], overrides: Overrides) -> dict[str, Any]:
    """Return the params of the request for these stages of one segment."""
    if not stages[0].is_hosted:
        return dict(overrides.get(stages[0].step_id, {}))
    return {"operations": [[s.type, params_of(s, overrides)] for s in stages]}


def params_of(stage: Stage, overrides: Overrides) -> dict[str, Any]:
    """Return the params in force for one stage."""
    return {**stage.params, **overrides.get(stage.step_id, {})}


def weight_bytes(width: int, height: int, stages: Sequence[Stage], overrides: Overrides) -> int:
    """Return about how many bytes of pixels a replica makes of a picture of this size."""
    largest = width * height
    for stage in stages:
        width, height = _size_after(stage.type, params_of(stage, overrides), width, height)
        largest = max(largest, width * height)
    return largest * _BYTES_PER_PIXEL


def _size_after(
    step_type: str, params: Mapping[str, Any], width: int, height: int
) -> tuple[int, int]:
    if step_type == "upscaling":
        scale = int(params.get("scale", 2))
        return width * scale, height * scale
    if step_type == "resize":
        return _resized(str(params.get("size", "100%")), width, height)
    return width, height


def _resized(size: str, width: int, height: int) -> tuple[int, int]:
    """Return the size that ``resize`` gives; a side that is not told keeps the shape."""
    if size.endswith("%"):
        factor = float(size[:-1]) / 100
        return round(width * factor), round(height * factor)
    wanted_width, _, wanted_height = size.partition("x")
    if wanted_width and wanted_height:
        return int(wanted_width), int(wanted_height)
    if wanted_width:
        return int(wanted_width), height * int(wanted_width) // max(1, width)
    return width * int(wanted_height) // max(1, height), int(wanted_height)


def _company(number: int, stage: Stage, overrides: Overrides) -> tuple[str, int]:
    """Return what stages that travel together have in common."""
    travels_alone = not stage.is_hosted or _tiles(stage, overrides) > 1
    return (str(stage.key), number if travels_alone else -1)


def _tiles(stage: Stage, overrides: Overrides) -> int:
    return int(params_of(stage, overrides).get("tiles", 1))


def _last_picture_stage(stages: Sequence[Stage]) -> int:
    numbers = [n for n, stage in enumerate(stages) if STEP_TYPES[stage.type].output != "json"]
    return numbers[-1] if numbers else -1


def _output(stage: Stage, *, is_last: bool, pipeline: Pipeline, job: Job) -> str:
    if STEP_TYPES[stage.type].output == "json":
        return ""
    return _delivered_type(pipeline, job) if is_last else RAW_MEDIA_TYPE


def _delivered_type(pipeline: Pipeline, job: Job) -> str:
    """Return the format that the last step to name one names, else the input's."""
    for stage in reversed(pipeline.stages):
        name = params_of(stage, job.overrides).get("output")
        if name:
            return MEDIA_TYPES[name]
    return delivered_as(job.media_type)
