"""OpenAPI for the calls that are bare ASGI, merged into what FastAPI knows by itself."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI

from dispatcher.api.events import EVENTS_MEDIA_TYPE
from dispatcher.api.guards.guard import is_public
from dispatcher.api.jobs import MAX_DEADLINE_S
from dispatcher.api.pipeline_documents import REQUEST_SCHEMAS
from dispatcher.api.problems import PROBLEM_MEDIA_TYPE
from dispatcher.api.queue_documents import ORDER_SCHEMAS
from dispatcher.api.results import DEFAULT_LIMIT, MAX_LIMIT, MAX_TEXT
from dispatcher.api.schemas import SCHEMAS
from dispatcher.delivery.callback_url import MAX_URL_LENGTH
from dispatcher.intake.batch_form import MAX_BODY_BYTES, MAX_FILES
from dispatcher.intake.idempotency import MAX_KEY_LENGTH
from dispatcher.jobs import JobState
from dispatcher.pipelines.actions import MAX_ACTIONS
from step_app.contract.limits import MAX_IMAGE_BYTES
from step_app.contract.tiles import MAX_TILES

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
    "priority": {"enum": ["0", "1", "2"], "default": "1", "description": "0 is served first."},
    "deadline_s": {
        "type": "number",
        "minimum": 0,
        "maximum": MAX_DEADLINE_S,
        "description": "When nobody waits any more; a job that has not ended then expires.",
    },
    "webhook_url": {
        "type": "string",
        "format": "uri",
        "maxLength": MAX_URL_LENGTH,
        "description": (
            "Where the result document is sent once the job has ended, signed as Standard Webhooks "
            "asks. https only and no address inside the network, unless the operator allows it."
        ),
    },
}
_ANY_STATE: Final = "|".join(JobState)
_IDEMPOTENCY_KEY: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_KEY_LENGTH,
    "pattern": "^[!-~]+$",
    "description": (
        "Makes it safe to repeat the request: the same key with the same image and options gives "
        "the same job; with others, 422 idempotency_key_reused."
    ),
}
_LAST_EVENT_ID: Final = {
    "type": "string",
    "description": "Number of the last event that the client has; those after it are sent.",
}
_STATUS_FILTER: Final = {
    "type": "string",
    "pattern": f"^({_ANY_STATE})(,({_ANY_STATE}))*$",
    "description": "Only jobs of these states, with commas between them.",
}
_TEXT: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_TEXT,
    "description": "Only jobs with this in their id, file name or pipeline, whatever the case.",
}
_LIMIT: Final = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
_AFTER: Final = {
    "type": "string",
    "description": "The page after this job, the `next` of the page before.",
}
_KEY_SCHEME: Final = "api_key"
_API_KEY: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": (
        "An API key, where the service asks for one. Its scopes are submit (send, cancel and "
        "repeat jobs), read (fetch anything) and admin (make, change and delete pipelines, see and "
        "purge the queue)."
    ),
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
            _add_guards(schema["paths"])
            components = schema.setdefault("components", {})
            components["securitySchemes"] = {_KEY_SCHEME: _API_KEY}
            schemas = components.setdefault("schemas", {})
            schemas.update(SCHEMAS)
            schemas.update(REQUEST_SCHEMAS)
            schemas.update(ORDER_SCHEMAS)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # FastAPI's documented way


def _add_guards(paths: dict[str, dict[str, Any]]) -> None:
    """Add what any call may be refused for before it is looked at: its head, its key, its pace."""
    guards = _problems(400, 401, 403, 408, 414, 429, 431, 503)
    for path, operations in paths.items():
        for operation in operations.values():
            operation["responses"] = {**guards, **operation["responses"]}
            # The empty one says that a service without keys asks for none.
            operation["security"] = [] if is_public(path) else [{_KEY_SCHEME: []}, {}]


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
                {**predicted, **problems, **_problems(410)},
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
            },
            "delete": _CANCEL,
        },
        "/result/{request_id}/requeue": {"post": _REQUEUE},
        "/results": {"get": _LIST},
        "/result/{request_id}/events": {"get": _EVENTS},
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
            _parameter("Idempotency-Key", "header", _IDEMPOTENCY_KEY),
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


_LIST: Final = {
    "tags": ["jobs"],
    "summary": "List jobs, the latest accepted first",
    "operationId": "list_results",
    "parameters": [
        _parameter("status", "query", _STATUS_FILTER),
        _parameter("q", "query", _TEXT),
        _parameter("limit", "query", _LIMIT),
        _parameter("after", "query", _AFTER),
    ],
    "responses": {"200": _ref("Results", "One page."), **_problems(400, 422)},
}
_CANCEL: Final = {
    "tags": ["jobs"],
    "summary": "Cancel a job that has not ended",
    "description": "Identical jobs that were joined to it get their results all the same.",
    "operationId": "cancel_result",
    "parameters": [_parameter("request_id", "path", {"type": "string"})],
    "responses": {"200": _ref("Cancelled", "Cancelled."), **_problems(400, 404, 409, 410)},
}
_REQUEUE: Final = {
    "tags": ["jobs"],
    "summary": "Repeat a failed job as a new one",
    "operationId": "requeue_result",
    "parameters": [_parameter("request_id", "path", {"type": "string"})],
    "responses": {
        "200": _ref("Ticket", "Served from the cache."),
        "202": _ref("Ticket", "Queued."),
        **_problems(400, 404, 409, 410, 503),
    },
}
_EVENTS: Final = {
    "tags": ["jobs"],
    "summary": "Follow a job by server-sent events",
    "operationId": "follow_result",
    "parameters": [
        _parameter("request_id", "path", {"type": "string"}),
        _parameter("Last-Event-ID", "header", _LAST_EVENT_ID),
    ],
    "responses": {
        "200": {
            "description": (
                "One event for each state: 1 queued, 2 processing, 3 the state in which it ended, "
                "with the result document. The stream ends then."
            ),
            "content": {EVENTS_MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
        "204": {"description": "The client has all events, and there will be no other."},
        **_problems(400, 404, 410, 503),
    },
}
