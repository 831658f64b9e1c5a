"""What a replica's answer for one item says: a result, a judgement, or garbage."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from dispatcher.errors import InvalidResponseError, ItemRejectedError, ReplicaFailedError
from step_app.contract import JSON_MEDIA_TYPE, ItemReply

_OK: Final = 200
_SERVER_ERROR: Final = 500


def read_reply(reply: ItemReply) -> Mapping[str, Any]:
    """Return the result.

    Raises:
        ItemRejectedError: the replica judged the image or its params.
        ReplicaFailedError: the step broke.
        InvalidResponseError: the answer follows no contract.
    """
    document = _parse(reply)
    if reply.status == _OK and reply.content_type == JSON_MEDIA_TYPE:
        if not document.get("predictions"):
            raise InvalidResponseError("the answer has no predictions")
        return document
    code, detail = document.get("code"), document.get("detail")
    if reply.status == _OK or not isinstance(code, str) or not isinstance(detail, str):
        raise InvalidResponseError("the answer has neither a result nor a problem")
    if reply.status >= _SERVER_ERROR:
        raise ReplicaFailedError(f"the step failed with {code}")
    raise ItemRejectedError(code, detail)


def _parse(reply: ItemReply) -> dict[str, Any]:
    try:
        document = json.loads(reply.body, parse_float=_parse_float, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise InvalidResponseError("the answer is no JSON") from exc
    if not isinstance(document, dict):
        raise InvalidResponseError("the answer is no JSON object")
    return document


def _parse_float(text: str) -> float:
    """Return a number; one that is too large would be infinite, and no answer could hold it."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
