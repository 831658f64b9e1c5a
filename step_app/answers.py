"""A step's outcome as the wire wants it: a reply in a batch, or an HTTP answer of its own."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.responses import Response

from step_app.contract.frames import JSON_MEDIA_TYPE, BatchItem, ItemReply
from step_app.contract.limits import MAX_PIECES
from step_app.contract.pictures import EXTENSIONS, PICTURES_MEDIA_TYPE, encode_pictures
from step_app.errors import ImageTooLargeError, NextStepFailedError, StepError
from step_app.runner import StepResult
from step_app.steps.base import PictureOutput

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
ZIP_MEDIA_TYPE: Final = "application/zip"
_OK: Final = 200
_GARBAGE: Final = (ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile)
"""What reading a document or a zip of another shape than agreed raises."""


@dataclass(frozen=True, slots=True)
class ChainPart:
    """What the end of a chain said of one picture."""

    media_type: str
    body: bytes
    times: Mapping[str, str] = field(default_factory=dict)
    """``X-Step-<ID>-Time`` of the steps that it passed."""
    status: int = _OK


def item_reply(item: BatchItem, result: StepResult) -> ItemReply:
    """Return the reply for one image of a batch."""
    outcome, status = result.outcome, 200
    body: bytes | list[bytes]
    if isinstance(outcome, StepError):
        status, content_type, body = outcome.status, PROBLEM_MEDIA_TYPE, problem_body(outcome)
    elif isinstance(outcome, PictureOutput):
        content_type, body = PICTURES_MEDIA_TYPE, encode_pictures(outcome.reply)
    else:
        content_type, body = JSON_MEDIA_TYPE, dump(json_document(item.filename, result))
    return ItemReply(
        id=item.id,
        status=status,
        content_type=content_type,
        body=body,
        duration_s=result.duration_s,
    )


def json_document(filename: str, result: StepResult) -> dict[str, Any]:
    """Return the document of a step that gives data."""
    assert not isinstance(result.outcome, (StepError, PictureOutput))
    return {
        "filename": filename,
        "inference_time": result.inference_time_s,
        **result.outcome.data,
    }


def problem_body(error: StepError) -> bytes:
    """Return a problem document (RFC 9457)."""
    return dump(
        {
            "type": "about:blank",
            "title": error.title,
            "status": error.status,
            "code": error.code,
            "detail": error.detail,
        }
    )


def problem(error: StepError) -> Response:
    """Return a problem as an HTTP answer."""
    return Response(problem_body(error), status_code=error.status, media_type=PROBLEM_MEDIA_TYPE)


KNOWN_ANSWERS: Final = frozenset({*EXTENSIONS, JSON_MEDIA_TYPE, ZIP_MEDIA_TYPE})
"""What the end of a chain may give: a picture, data, or the pieces of a split."""


def chain_answer(parts: Sequence[ChainPart], times: Mapping[str, str]) -> Response:
    """Return the answer of a chain.

    Args:
        parts: one picture or document, or those of the pieces of a split: a zip of pictures,
            or the documents as ``outputs``. One that failed is the whole answer. What was split
            twice comes as one zip or list all the same.
        times: ``X-Step-<ID>-Time`` of the steps that ran before the parts went their own ways.

    Raises:
        NextStepFailedError: the parts are not what they say.
        ImageTooLargeError: together they are more pieces than one picture may be split into.
    """
    failed = next((part for part in parts if part.status != _OK), None)
    if failed is not None:
        return Response(failed.body, status_code=failed.status, media_type=failed.media_type)
    if len(parts) == 1:
        answer = Response(parts[0].body, media_type=parts[0].media_type)
    else:
        try:
            answer = _joined(parts)
        except _GARBAGE as exc:
            raise NextStepFailedError("The answers for the pieces do not go together.") from exc
    slowest: dict[str, str] = {}
    for part in parts:
        for name, value in part.times.items():
            slowest[name] = max(slowest.get(name, "0"), value, key=float)
    answer.headers.update({**times, **slowest})
    return answer


def _joined(parts: Sequence[ChainPart]) -> Response:
    """Return what became of all pieces as one answer."""
    if parts[0].media_type == JSON_MEDIA_TYPE:
        documents = [document for part in parts for document in _documents(part)]
        _check_count(len(documents))
        return json_answer({"outputs": documents})
    pieces = [piece for part in parts for piece in _pieces(part)]
    _check_count(len(pieces))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for number, (extension, body) in enumerate(pieces):
            archive.writestr(f"piece-{number:02}.{extension}", body)
    return Response(file.getvalue(), media_type=ZIP_MEDIA_TYPE)


def _documents(part: ChainPart) -> Sequence[Mapping[str, Any]]:
    document: dict[str, Any] = json.loads(part.body)
    outputs: Sequence[Mapping[str, Any]] = document.get("outputs", [document])
    return outputs


def _pieces(part: ChainPart) -> Sequence[tuple[str, bytes]]:
    """Return the extension and the bytes of each picture of a part."""
    if part.media_type != ZIP_MEDIA_TYPE:
        return [(EXTENSIONS[part.media_type], part.body)]
    with zipfile.ZipFile(io.BytesIO(part.body)) as archive:
        return [(name.rpartition(".")[2], archive.read(name)) for name in archive.namelist()]


def _check_count(count: int) -> None:
    if count > MAX_PIECES:
        raise ImageTooLargeError(f"The picture is split into more than {MAX_PIECES} pieces.")


def json_answer(document: Mapping[str, Any]) -> Response:
    """Return a document as an HTTP answer."""
    return Response(dump(document), media_type=JSON_MEDIA_TYPE)


def dump(document: Mapping[str, Any]) -> bytes:
    """Return compact JSON; no NaN, which JSON does not know."""
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
