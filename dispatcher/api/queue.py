"""The queue as an operator sees it: looked at, purged, and filled again with what has failed."""

from typing import Any, Final

from fastapi import APIRouter, Request

from dispatcher.api.json_body import read_json
from dispatcher.api.problems import PROBLEM_MEDIA_TYPE
from dispatcher.api.queue_documents import (
    PURGE_FIELDS,
    REQUEUE_FIELDS,
    PurgedDocument,
    QueueDocument,
    RequeuedDocument,
    purged_document,
    queue_document,
    read_order,
    requeued_document,
    selection_of,
)
from dispatcher.errors import InvalidValueError
from dispatcher.intake.queue_operations import MAX_STEP, QueueOperations

_MAX_DEPTH: Final = 3
_BODY_PROBLEMS: Final = (400, 413, 415, 422, 503)
_PROBLEM: Final = {
    "description": "A problem.",
    "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def queue_router(operations: QueueOperations, *, backend: str) -> APIRouter:
    """Return the routes of this resource.

    Args:
        operations: what is done.
        backend: the name of the queue's backend, as settings give it.
    """
    router = APIRouter(tags=["queue"])

    @router.get("/queue", responses=_problems(503))
    async def read_queue() -> QueueDocument:
        """Return what waits and is in work, lane by lane, and what has failed."""
        state = await operations.look()
        return queue_document(state, backend=backend, capacity=operations.capacity)

    @router.post(
        "/queue/purge", responses=_problems(*_BODY_PROBLEMS), openapi_extra=_body("PurgeOrder")
    )
    async def purge_queue(request: Request) -> PurgedDocument:
        """Cancel jobs that wait, or drop failed ones; ask again while there is more."""
        order = read_order(await _read(request), allowed=PURGE_FIELDS)
        is_about_failed = order.get("what") == "failed"
        if "code" in order and not is_about_failed:
            raise InvalidValueError("code goes with failed jobs only.")
        purge = operations.purge_failed if is_about_failed else operations.purge_waiting
        return purged_document(await purge(selection_of(order), limit=order.get("limit", MAX_STEP)))

    @router.post(
        "/queue/requeue", responses=_problems(*_BODY_PROBLEMS), openapi_extra=_body("RequeueOrder")
    )
    async def requeue_failed(request: Request) -> RequeuedDocument:
        """Repeat failed jobs as new ones, each of them once; ask again while there is a next."""
        order = read_order(await _read(request), allowed=REQUEUE_FIELDS)
        return requeued_document(
            await operations.requeue(
                selection_of(order), after=order.get("after"), limit=order.get("limit", MAX_STEP)
            )
        )

    return router


async def _read(request: Request) -> object:
    document: object = await read_json(request, max_depth=_MAX_DEPTH, invalid=InvalidValueError)
    return document


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return dict.fromkeys(statuses, _PROBLEM)


def _body(schema: str) -> dict[str, Any]:
    """Describe a body that is read here and not by FastAPI."""
    reference = {"$ref": f"#/components/schemas/{schema}"}
    content = {"application/json": {"schema": reference}}
    return {"requestBody": {"required": True, "content": content}}
