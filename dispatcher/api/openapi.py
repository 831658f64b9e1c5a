"""OpenAPI for the calls that are bare ASGI, merged into what FastAPI knows by itself."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI

from dispatcher.api.batches import GONE
from dispatcher.api.pipeline_documents import REQUEST_SCHEMAS
from dispatcher.api.problems import PROBLEM_MEDIA_TYPE
from dispatcher.intake.batch_form import MAX_BODY_BYTES, MAX_FILES
from dispatcher.jobs import JobState
from dispatcher.pipelines.actions import MAX_ACTIONS
from step_app.contract.limits import MAX_IMAGE_BYTES
from step_app.contract.tiles import MAX_TILES

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
_STATES: Final = [state.value for state in JobState]
_RESULT: Final = {
    "type": "object",
    "required": ["request_id", "filename", "status", "queued_at", "steps", "result", "error"],
    "properties": {
        "request_id": {"type": "string"},
        "filename": {"type": "string"},
        "status": {"enum": _STATES},
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
_BATCH_LINKS: Final = {
    name: {"type": "string"} for name in ("batch_id", "status_url", "static_url", "zip_url")
}
_BATCH_REQUEST: Final = {
    "request_id": {"type": "string"},
    "filename": {"type": "string"},
    "status": {"enum": [*_STATES, GONE]},
    "status_url": {"type": "string"},
}
_BATCH_TICKET: Final = {
    "type": "object",
    "required": [*_BATCH_LINKS, "requests"],
    "properties": {
        **_BATCH_LINKS,
        "requests": {
            "type": "array",
            "items": {
                "type": "object",
                "required": list(_BATCH_REQUEST),
                "properties": _BATCH_REQUEST,
            },
        },
    },
}
_BATCH_ENTRY: Final = {
    **_BATCH_REQUEST,
    "error": {"type": ["object", "null"]},
    "sent": _NULLABLE_TEXT,
    "outputs": {"type": "array", "items": {"type": "string"}},
}
_BATCH: Final = {
    "type": "object",
    "required": [*_BATCH_LINKS, "created_at", "counts", "total", "is_done", "requests"],
    "properties": {
        **_BATCH_LINKS,
        "created_at": {"type": "string"},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "total": {"type": "integer"},
        "is_done": {"type": "boolean"},
        "requests": {
            "type": "array",
            "items": {
                "type": "object",
                "required": list(_BATCH_ENTRY),
                "properties": _BATCH_ENTRY,
            },
        },
    },
}
_PROCESS_FORM: Final = {
    "type": "object",
    "required": ["actions", "files"],
    "additionalProperties": False,
    "properties": {
        "actions": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_ACTIONS,
            "items": {"type": "string"},
            "description": (
                'JSON each: {"operations": [["resize", "200x300"], ["split", true]], '
                '"output": "jpg" | "png" | "webp"}, or a list of such objects. Every file goes '
                "through each, in the order given; GET /step-types tells the params."
            ),
        },
        "files": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_FILES,
            "items": {"type": "string", "format": "binary"},
            "description": (
                f"Each of {MAX_IMAGE_BYTES} bytes at most, {MAX_BODY_BYTES} together; more "
                "refuses the request. A file that is no image fails alone."
            ),
        },
        "cache": {"enum": ["true", "false"], "default": "true"},
    },
}
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "pipeline": {"type": "string", "default": "default"},
    "params": {
        "type": "string",
        "description": "JSON: overrides of stage params by step id or type.",
    },
    "tiles": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_TILES,
        "description": "Chunks of rows that replicas compute at once; the result is the same.",
    },
    "cache": {"enum": ["true", "false"], "default": "true"},
}
_TIMEOUT: Final = {"type": "number", "minimum": 0, "maximum": 60, "default": 30}
_WAIT: Final = {
    "type": "number",
    "minimum": 0,
    "maximum": 60,
    "description": "Hold the answer back until all has ended, for so many seconds at most.",
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
            schemas.update({"Batch": _BATCH, "BatchTicket": _BATCH_TICKET})
            schemas.update(REQUEST_SCHEMAS)
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
        **_batch_paths(),
    }


def _batch_paths() -> dict[str, Any]:
    return {
        "/process": {
            "post": {
                "tags": ["batches"],
                "summary": "Send files and operations, get a batch",
                "operationId": "process",
                "requestBody": {
                    "required": True,
                    "content": {"multipart/form-data": {"schema": _PROCESS_FORM}},
                },
                "responses": {
                    "202": _ref("BatchTicket", "Accepted, all of it."),
                    **_problems(400, 404, 413, 415, 422, 503),
                },
            }
        },
        "/batch/{batch_id}": {
            "get": {
                "tags": ["batches"],
                "summary": "Fetch the state of a batch and links to its pictures",
                "operationId": "get_batch",
                "parameters": [
                    _parameter("batch_id", "path", {"type": "string"}),
                    _parameter("wait", "query", _WAIT),
                ],
                "responses": {
                    "200": _ref("Batch", "As it is now, or when it had ended."),
                    **_problems(400, 404, 422),
                },
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
