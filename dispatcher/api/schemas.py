"""The documents that calls answer with, as JSON schemas of the OpenAPI document."""

from typing import Any, Final

from dispatcher.api.batches import GONE
from dispatcher.jobs import JobState, Priority

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
        "priority": {"enum": [priority.value for priority in Priority]},
        "deadline_s": _NULLABLE_NUMBER,
        "requeued_from": _NULLABLE_TEXT,
        "steps": {"type": "array", "items": {"type": "object"}},
        "result": {"type": ["object", "null"]},
        "error": {"type": ["object", "null"]},
    },
}
_RESULTS: Final = {
    "type": "object",
    "required": ["results", "next"],
    "properties": {
        "results": {"type": "array", "items": {"$ref": "#/components/schemas/Result"}},
        "next": {
            **_NULLABLE_TEXT,
            "description": "What to send as `after` for the next page; null at the end.",
        },
    },
}
_CANCELLED: Final = {
    "type": "object",
    "required": ["request_id", "status"],
    "properties": {
        "request_id": {"type": "string"},
        "status": {"const": JobState.CANCELLED.value},
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
SCHEMAS: Final[dict[str, Any]] = {
    "Problem": _PROBLEM,
    "Ticket": _TICKET,
    "Result": _RESULT,
    "Results": _RESULTS,
    "Cancelled": _CANCELLED,
    "Batch": _BATCH,
    "BatchTicket": _BATCH_TICKET,
}
