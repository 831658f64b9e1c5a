"""The pipelines that exist at the moment."""

from collections.abc import Iterable

from dispatcher.errors import UnknownPipelineError
from dispatcher.pipelines.model import Pipeline


class PipelineStore:
    """Pipelines by id; the whole set is replaced when the records change."""

    def __init__(self) -> None:
        self._pipelines: dict[str, Pipeline] = {}

    def replace(self, pipelines: Iterable[Pipeline]) -> None:
        """Take a new set of pipelines in place of the old one."""
        self._pipelines = {pipeline.id: pipeline for pipeline in pipelines}

    def get(self, pipeline_id: str) -> Pipeline:
        """Return a pipeline.

        Raises:
            UnknownPipelineError: there is none of that id.
        """
        try:
            return self._pipelines[pipeline_id]
        except KeyError as exc:
            known = ", ".join(sorted(self._pipelines)) or "none"
            raise UnknownPipelineError(f"There is no such pipeline; there is: {known}.") from exc

    def all(self) -> list[Pipeline]:
        """Return all pipelines, ordered by id."""
        return [self._pipelines[key] for key in sorted(self._pipelines)]
