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
    type: str
    params: Mapping[str, Any]
    model_revision: str = ""
    """As its replicas reported; empty until the first of them was ready."""


@dataclass(frozen=True)
class Pipeline:
    """What a client can send images through."""

    id: str
    stages: tuple[Stage, ...]

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
    if any(not stage.model_revision for stage in pipeline.stages):
        return None
    stages = [
        [
            stage.type,
            {**stage.params, **overrides.get(stage.key.step_id, {})},
            stage.model_revision,
        ]
        for stage in pipeline.stages
    ]
    return json.dumps(stages, sort_keys=True, separators=(",", ":"), allow_nan=False)
