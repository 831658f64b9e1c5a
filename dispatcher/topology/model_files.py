"""Files that a client may have a replica read: those in one directory, and no others."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, Final

from dispatcher.errors import InvalidPipelineError
from dispatcher.pipelines.flattening import PipelineSpec, StepSpec
from dispatcher.topology.status import PipelineStatus, StepStatus

_FILE_PARAMS: Final[Mapping[str, str]] = {"classifier": "weights", "upscaling": "method"}
"""The param that may name a file, by step type."""
_KEYWORDS: Final = frozenset({"DEFAULT", "random", "lanczos", "bicubic"})
"""Values of such params that name none."""


class ModelFiles:
    """The directory of the model files that clients may name, by whole or by relative paths.

    Without one they may name none: replicas elsewhere see no folder of this machine.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def locate(self, spec: PipelineSpec) -> PipelineSpec:
        """Return a pipeline whose model files are named by their whole, real paths.

        Raises:
            InvalidPipelineError: there is no such file, or not in the directory; which of the two
                is not told.
        """
        return replace(spec, steps=tuple(self._locate(step) for step in spec.steps))

    def conceal(self, pipeline: PipelineStatus) -> PipelineStatus:
        """Return a pipeline whose model files are named as a client may name them."""
        return replace(pipeline, steps=tuple(self._conceal(step) for step in pipeline.steps))

    def _locate(self, step: StepSpec) -> StepSpec:
        named = _file_of(step.type, step.params)
        if named is None:
            return step
        param, text = named
        if self._directory is None:
            raise InvalidPipelineError(
                f"step {step.step_id}: params.{param}: no file can be named here."
            )
        root = self._directory.resolve()
        try:
            path = (root / text).resolve()
            is_allowed = (
                ".." not in PurePath(text).parts and path.is_relative_to(root) and path.is_file()
            )
        except (OSError, ValueError, RuntimeError):  # too long, a null character, a circle of links
            is_allowed = False
        if not is_allowed:
            raise InvalidPipelineError(
                f"step {step.step_id}: params.{param}: names no file in the directory of models."
            )
        return replace(step, params={**step.params, param: str(path)})

    def _conceal(self, step: StepStatus) -> StepStatus:
        named = _file_of(step.type, step.params)
        if named is None or self._directory is None:
            return step
        param, path = named[0], PurePath(named[1])
        root = self._directory.resolve()
        shown = path.relative_to(root) if path.is_relative_to(root) else path.name
        return replace(step, params={**step.params, param: str(shown)})


def _file_of(step_type: str, params: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the param that names a file and the file; None when none does."""
    param = _FILE_PARAMS.get(step_type)
    text = None if param is None else params.get(param)
    if param is None or text is None or text in _KEYWORDS:
        return None
    return param, str(text)
