"""OpenAPI for the calls that are bare ASGI, merged into what FastAPI knows by itself."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI

from dispatcher.api.problems import PROBLEM_MEDIA_TYPE

_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable, lower_snake."},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
    },
}
_TICKET: Final = {
    "type": "object",
    "required": ["request_id", "status_url", "message", "queue_size", "from_cache"],
    "properties": {
        "request_id": {"type": "string"},
        "status_url": {"type": "string"},
        "message": {"type": "string"},
        "queue_size": {"type": "integer"},
        "from_cache": {"type": "boolean"},
    },
}
_NULLABLE_NUMBER: Final = {"type": ["number", "null"]}
_NULLABLE_TEXT: Final = {"type": ["string", "null"]}
_RESULT: Final = {
    "type": "object",
    "required": ["request_id", "filename", "status", "queued_at", "steps", "result", "error"],
    "properties": {
        "request_id": {"type": "string"},
        "filename": {"type": "string"},
        "status": {"enum": ["queued", "processing", "completed", "failed", "cancelled", "expired"]},
        "queued_at": {"type": "string"},
        "started_at": _NULLABLE_TEXT,
        "completed_at": _NULLABLE_TEXT,
        "processing_time": _NULLABLE_NUMBER,
        "queue_time": _NULLABLE_NUMBER,
        "replica_used": _NULLABLE_TEXT,
        "from_cache": {"type": "boolean"},
        "coalesced": {"type": "boolean"},
        "attempts": {"type": "integer"},
        "queue_position": {"type": ["integer", "null"]},
        "eta_s": _NULLABLE_NUMBER,
        "pipeline": {"type": "string"},
        "steps": {"type": "array", "items": {"type": "object"}},
        "result": {"type": ["object", "null"]},
        "error": {"type": ["object", "null"]},
    },
}
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "pipeline": {"type": "string", "default": "default"},
    "params": {
        "type": "string",
        "description": "JSON: overrides of stage params by step id or type.",
    },
    "cache": {"enum": ["true", "false"], "default": "true"},
}
_TIMEOUT: Final = {"type": "number", "minimum": 0, "maximum": 60, "default": 30}
_WAIT: Final = {
    "type": "number",
    "minimum": 0,
    "maximum": 60,
    "description": "Hold the answer back until the job ends, for so many seconds at most.",
}


def install_openapi(app: FastAPI) -> None:
    """Make the application's OpenAPI document cover every call."""
    generate: Callable[[], dict[str, Any]] = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            schema["paths"].update(_paths())
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            schemas.update({"Problem": _PROBLEM, "Ticket": _TICKET, "Result": _RESULT})
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # FastAPI's documented way


def _paths() -> dict[str, Any]:
    submitted = {"200": _ref("Ticket", "Served from the cache."), "202": _ref("Ticket", "Queued.")}
    predicted = {"200": _ref("Result", "Ended."), "202": _ref("Ticket", "Takes longer.")}
    fetched = {"200": _ref("Result", "Ended."), "202": _ref("Result", "Not ended yet.")}
    problems = _problems(400, 404, 413, 415, 422, 503)
    return {
        "/predict_async": {
            "post": _submission("Send an image, get a ticket", _OPTIONS, {**submitted, **problems})
        },
        "/predict": {
            "post": _submission(
                "Send an image, wait for its result",
                {**_OPTIONS, "timeout_s": _TIMEOUT},
                {**predicted, **problems},
            )
        },
        "/result/{request_id}": {
            "get": {
                "tags": ["jobs"],
                "summary": "Fetch a job and its result",
                "operationId": "get_result",
                "parameters": [
                    _parameter("request_id", "path", {"type": "string"}),
                    _parameter("wait", "query", _WAIT),
                ],
                "responses": {**fetched, **_problems(400, 404, 410, 422)},
            }
        },
    }


def _submission(
    summary: str, options: dict[str, dict[str, Any]], responses: dict[str, Any]
) -> dict[str, Any]:
    image = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "required": ["image"],
        "additionalProperties": False,
        "properties": {"image": image, **options},
    }
    filename = _parameter("X-Filename", "header", {"type": "string"})
    return {
        "tags": ["jobs"],
        "summary": summary,
        "operationId": summary.lower().replace(",", "").replace(" ", "_"),
        "parameters": [
            *(_parameter(name, "query", schema) for name, schema in options.items()),
            filename,
        ],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": form},
                "image/*": {"schema": image},
            },
        },
        "responses": responses,
    }


def _parameter(name: str, place: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def _ref(name: str, description: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problems(*statuses: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {PROBLEM_MEDIA_TYPE: {"schema": schema}}
    return {str(s): {"description": "A problem.", "content": content} for s in statuses}
