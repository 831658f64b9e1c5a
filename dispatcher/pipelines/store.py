"""The pipelines that exist at the moment."""

from collections.abc import Collection

from dispatcher.errors import UnknownPipelineError
from dispatcher.pipelines.model import Pipeline


class PipelineStore:
    """Pipelines by id; the whole set is replaced when the records change."""

    def __init__(self) -> None:
        self._pipelines: dict[str, Pipeline] = {}
        self._deleting: set[str] = set()

    def replace(self, pipelines: Collection[Pipeline]) -> None:
        """Take a new set of pipelines in place of the old one."""
        self._pipelines = {pipeline.id: pipeline for pipeline in pipelines}
        self._deleting &= self._pipelines.keys()
        self._deleting |= {pipeline.id for pipeline in pipelines if pipeline.is_leaving}

    def get(self, id_or_name: str) -> Pipeline:
        """Return a pipeline for new work; an id goes before a name.

        Raises:
            UnknownPipelineError: there is none, or it is being deleted.
        """
        found = self._pipelines.get(id_or_name) or self._by_name(id_or_name)
        if found is None or found.id in self._deleting:
            known = ", ".join(pipeline.id for pipeline in self.all()) or "none"
            raise UnknownPipelineError(f"There is no such pipeline; there is: {known}.")
        return found

    def find(self, pipeline_id: str) -> Pipeline:
        """Return a pipeline for a job that was accepted earlier, also while it is deleted.

        Raises:
            UnknownPipelineError: there is none of that id any more.
        """
        try:
            return self._pipelines[pipeline_id]
        except KeyError as exc:
            raise UnknownPipelineError("The pipeline was deleted.") from exc

    def start_deleting(self, pipeline_id: str) -> None:
        """Give a pipeline to no new work, until its records are gone."""
        self._deleting.add(pipeline_id)

    def all(self) -> list[Pipeline]:
        """Return all pipelines that take new work, ordered by id."""
        return [self._pipelines[key] for key in sorted(self._pipelines.keys() - self._deleting)]

    def _by_name(self, name: str) -> Pipeline | None:
        return next((found for found in self._pipelines.values() if found.name == name), None)
