"""Pipelines and their stages, as data."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, slots=True)
class StepKey:
    """Names one step of one pipeline, and so its pool."""

    pipeline_id: str
    step_id: str

    def __str__(self) -> str:
        return f"{self.pipeline_id}/{self.step_id}"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: a step and the params it was configured with."""

    key: StepKey
    """Names its pool."""
    type: str
    params: Mapping[str, Any]
    model_revision: str = ""
    """As its replicas reported; empty until the first of them was ready."""
    id: str = ""
    """Its own id in a chain that a job brings along; else the step's."""
    is_hosted: bool = False
    """Whether a pool that runs any cheap type runs it, and has to be told type and params."""

    @property
    def step_id(self) -> str:
        """Return its id within the pipeline."""
        return self.id or self.key.step_id


@dataclass(frozen=True)
class Pipeline:
    """What a client can send images through."""

    id: str
    stages: tuple[Stage, ...]
    name: str | None = None
    """What a client called it; it may be named so instead of by its id."""
    is_leaving: bool = False
    """Whether it is being deleted, and takes no new work."""

    @cached_property
    def revision(self) -> str:
        """The model revisions of all stages, as one text."""
        return join_revisions(stage.model_revision for stage in self.stages)

    @cached_property
    def work(self) -> str:
        """What this pipeline does at present, as one text, even before a revision is known."""
        return repr(
            [
                (str(stage.key), stage.type, sorted(stage.params.items()), stage.model_revision)
                for stage in self.stages
            ]
        )

    @cached_property
    def identity(self) -> str | None:
        """What, beside image and overrides, decides the result; None while that is unknown."""
        return _identity(self, {})

    def identity_with(self, overrides: Mapping[str, Mapping[str, Any]]) -> str | None:
        """Return the identity of this pipeline under overrides of params by step id.

        Two pipelines with equal stages share results: the id of the pipeline is no part of it.
        The text is canonical JSON, so that equal meaning gives equal text and nothing else does.
        """
        return _identity(self, overrides) if overrides else self.identity


def join_revisions(revisions: Iterable[str]) -> str:
    """Return the revisions of a pipeline's stages as one text."""
    return "+".join(revisions)


def _identity(pipeline: Pipeline, overrides: Mapping[str, Mapping[str, Any]]) -> str | None:
    stages = [stage_identity(stage, overrides) for stage in pipeline.stages]
    return None if None in stages else f"[{','.join(str(stage) for stage in stages)}]"


def stage_identity(stage: Stage, overrides: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return what decides the result of one stage, beside the picture: type, params, revision.

    ``tiles`` is no part of it: it changes who computes, not what comes out. None while the
    revision is unknown.
    """
    return work_of(stage, overrides) if stage.model_revision else None


def work_of(stage: Stage, overrides: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what one stage does to a picture, even before its revision is known."""
    params = {**stage.params, **overrides.get(stage.step_id, {})}
    params.pop("tiles", None)
    identity = [stage.type, params, stage.model_revision]
    return json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
