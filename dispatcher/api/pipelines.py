"""Pipelines: made, read, changed and deleted while the service runs."""

from typing import Any, Final

from fastapi import APIRouter, Request

from dispatcher.api.json_body import read_json
from dispatcher.api.pipeline_documents import (
    CreatedPipeline,
    DeletedPipeline,
    PipelineList,
    created,
    deleted,
)
from dispatcher.api.problems import PROBLEM_MEDIA_TYPE
from dispatcher.errors import InvalidPipelineError
from dispatcher.pipelines.flattening import MAX_DEPTH
from dispatcher.topology.admin import PipelineAdmin
from dispatcher.topology.status import PipelineStatus, StepStatus

_BODY_PROBLEMS: Final = (400, 413, 415, 422)
_CLUSTER_PROBLEMS: Final = (502, 503)
"""When replicas run in a cluster that refuses, or does not answer."""
_PROBLEM: Final = {
    "description": "A problem.",
    "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def pipeline_router(admin: PipelineAdmin) -> APIRouter:
    """Return the routes of this resource."""
    router = APIRouter(tags=["pipelines"])

    @router.post(
        "/pipeline",
        status_code=201,
        responses=_problems(*_BODY_PROBLEMS, 403, 409, *_CLUSTER_PROBLEMS),
        openapi_extra=_body("NewPipeline"),
    )
    async def create_pipeline(request: Request) -> CreatedPipeline:
        """Make a pipeline: all of it, or nothing."""
        return created(await admin.create(await _read(request)))

    @router.get("/pipeline", responses=_problems(*_CLUSTER_PROBLEMS))
    async def list_pipelines() -> PipelineList:
        """Return all pipelines: what is wanted and what runs."""
        return PipelineList(pipelines=await admin.all())

    @router.get("/pipeline/{pipeline}", responses=_problems(404, 422, *_CLUSTER_PROBLEMS))
    async def read_pipeline(pipeline: str) -> PipelineStatus:
        """Return one pipeline, by its id or its name."""
        return await admin.get(pipeline)

    @router.patch(
        "/pipeline/{pipeline}/steps/{step_id}",
        responses=_problems(*_BODY_PROBLEMS, 403, 404, 409, *_CLUSTER_PROBLEMS),
        openapi_extra=_body("StepChange"),
    )
    async def change_step(request: Request, pipeline: str, step_id: str) -> StepStatus:
        """Change how many replicas a step has, or where pictures go after it."""
        return await admin.change(pipeline, step_id, await _read(request))

    @router.delete(
        "/pipeline/{pipeline}", responses=_problems(403, 404, 409, 422, *_CLUSTER_PROBLEMS)
    )
    async def delete_pipeline(pipeline: str) -> DeletedPipeline:
        """Delete a pipeline once it has finished its work; nothing of it is left."""
        return deleted(await admin.delete(pipeline))

    return router


async def _read(request: Request) -> object:
    document: object = await read_json(request, max_depth=MAX_DEPTH, invalid=InvalidPipelineError)
    return document


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return dict.fromkeys(statuses, _PROBLEM)


def _body(schema: str) -> dict[str, Any]:
    """Describe a body that is read here and not by FastAPI."""
    reference = {"$ref": f"#/components/schemas/{schema}"}
    content = {"application/json": {"schema": reference}}
    return {"requestBody": {"required": True, "content": content}}
