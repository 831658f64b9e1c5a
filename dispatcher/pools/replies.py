"""What a replica's answer for one item says: a result, a judgement, or garbage."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from dispatcher.pools.errors import (
    InvalidResponseError,
    ItemRejectedError,
    NotSentError,
    ReplicaFailedError,
)
from step_app.contract.cancelling import CANCELLED_STATUS
from step_app.contract.frames import JSON_MEDIA_TYPE, ContractError, ItemReply, Payload
from step_app.contract.pictures import (
    EXTENSIONS,
    PICTURES_MEDIA_TYPE,
    PictureReply,
    decode_pictures,
)

Result = Mapping[str, Any] | PictureReply

_OK: Final = 200
_SERVER_ERROR: Final = 500


def read_reply(reply: ItemReply) -> Result:
    """Return the result: pictures, or the document of a step that gives data.

    Raises:
        ItemRejectedError: the replica judged the image or its params.
        NotSentError: it was told that nobody waits for the item, which somebody does.
        ReplicaFailedError: the step broke.
        InvalidResponseError: the answer follows no contract.
    """
    if reply.status == _OK and reply.content_type == PICTURES_MEDIA_TYPE:
        return _read_pictures(reply)
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
    if reply.status == CANCELLED_STATUS:
        raise NotSentError("the replica stopped its work on the item")
    raise ItemRejectedError(code, detail)


def _read_pictures(reply: ItemReply) -> PictureReply:
    try:
        pictures = decode_pictures(_whole(reply))
    except ContractError as exc:
        raise InvalidResponseError(str(exc)) from exc
    for picture in pictures.pictures:
        if picture.media_type not in EXTENSIONS or min(picture.width, picture.height) < 1:
            raise InvalidResponseError("the answer has a picture that is none")
    if not all(0 <= value < math.inf for value in pictures.timings_s):
        raise InvalidResponseError("a time is no number of seconds")
    return pictures


def _parse(reply: ItemReply) -> dict[str, Any]:
    try:
        document = json.loads(
            bytes(_whole(reply)), parse_float=_parse_float, parse_constant=_refuse_constant
        )
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


def _whole(reply: ItemReply) -> Payload:
    """Return the body of a reply that was received: it is in one part."""
    assert isinstance(reply.body, bytes | memoryview)
    return reply.body
