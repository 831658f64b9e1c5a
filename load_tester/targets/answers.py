"""What the service may answer, and whether it did: pure checks of the wire contract."""

import json
import math
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NoReturn

from load_tester.errors import FailedError, RefusedError, WrongError
from load_tester.images import last_part
from load_tester.pacing import now_s
from load_tester.targets.base import Answer, Ticket

_TICKET = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED})
_REFUSAL = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_ENDED_BADLY = frozenset({"failed", "cancelled", "expired"})
# A result that is no classification shows a picture or several.
_PICTURE_KEYS = frozenset({"url", "download_url", "width", "outputs"})
# Names that no service has a reason to change; only these can prove an answer is another's.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
# A split gives its pieces as a zip.
_PICTURE_TYPES = ("image/", "application/zip")
_STEP_TIME = re.compile(r"x-step-(.+)-time", re.IGNORECASE)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?", re.ASCII)
# What a service may add to a reason: nothing that could break a line or colour a terminal.
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,80}")
_NO_STEPS: dict[str, float] = {}


def read_ticket(status: int, body: bytes) -> Ticket:
    """Return the ticket in the answer to an upload.

    Raises RefusedError (429, 503), FailedError (any other status) or WrongError (not a ticket).
    """
    if status in _REFUSAL:
        raise RefusedError(f"http_{status}")
    if status not in _TICKET:
        raise FailedError(f"http_{status}")
    ticket = _read_object(body, what="ticket")
    request_id = ticket.get("request_id")
    if not isinstance(request_id, str) or not request_id:
        raise WrongError("ticket_without_request_id")
    return Ticket(request_id=request_id, from_cache=_read_flag(ticket, "from_cache"))


def read_result(body: bytes, *, request_id: str, file: str, polls: int = 1) -> Answer:
    """Return the completed job in the body of a 200 to `GET /result/<id>`; it is seen now.

    Raises FailedError when the job ended without a result, WrongError when the body is malformed
    or belongs to another job.
    """
    job = _read_object(body, what="result")
    if job.get("request_id") != request_id:
        raise WrongError("result_of_another_request")
    _check_name(job, file=file)
    if job.get("status") != "completed":
        _raise_ended(job)
    return Answer(
        from_cache=_read_flag(job, "from_cache"),
        coalesced=_read_flag(job, "coalesced"),
        queue_time_s=_read_duration(job, "queue_time"),
        processing_time_s=_read_duration(job, "processing_time"),
        steps_s=_read_steps(job),
        replica=_read_text(job, "replica_used"),
        top_label=_read_top_label(job),
        document=job,
        polls=polls,
        seen_s=now_s(),
    )


def read_process_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, file: str
) -> Answer:
    """Return what a step replica answered to `POST /process`; it is seen now.

    Raises RefusedError (429, 503), FailedError (any other status) or WrongError (neither a
    picture nor the document of a classifier, or that of another file).
    """
    if status in _REFUSAL:
        raise RefusedError(f"http_{status}")
    if status != HTTPStatus.OK:
        raise FailedError(f"http_{status}")
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    steps_s = read_step_times(headers)
    if media_type != "application/json":
        if not body or not media_type.startswith(_PICTURE_TYPES):
            raise WrongError("answer_neither_picture_nor_json")
        return Answer(steps_s=steps_s, picture=body, polls=0, seen_s=now_s())
    document = _read_object(body, what="answer")
    _check_name(document, file=file)
    return Answer(
        processing_time_s=_read_duration(document, "inference_time"),
        steps_s=steps_s,
        top_label=_read_top_label({"result": document, **document}),
        document=document,
        polls=0,
        seen_s=now_s(),
    )


def read_step_times(headers: Mapping[str, str]) -> dict[str, float]:
    """Return the seconds of each step that `X-Step-<ID>-Time` headers name, by the step's id.

    Raises WrongError when one is not a duration.
    """
    times: dict[str, float] = {}
    for name, value in headers.items():
        named = _STEP_TIME.fullmatch(name)
        if named is not None:
            if not _SECONDS.fullmatch(value):
                raise WrongError("step_time_not_a_duration")
            times[named[1]] = float(value)
    return times


def _check_name(document: Mapping[str, Any], *, file: str) -> None:
    """Raise WrongError when it names another file; the service was told the last part only."""
    filename, name = document.get("filename"), last_part(file)
    if isinstance(filename, str) and _PLAIN_NAME.fullmatch(name) and filename != name:
        raise WrongError("result_of_another_file")


def _read_steps(job: dict[str, Any]) -> dict[str, float]:
    """Return the seconds of each step that the result lists; steps without a time are left out."""
    steps = job.get("steps")
    if not steps:
        return _NO_STEPS
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise WrongError("steps_malformed")
    times: dict[str, float] = {}
    for step in steps:
        time_s, step_id = _read_duration(step, "time"), step.get("id")
        if time_s is not None and isinstance(step_id, str):
            times[step_id] = times.get(step_id, 0.0) + time_s
    return times


def _raise_ended(job: dict[str, Any]) -> NoReturn:
    """Raise for a job that is not completed: ended badly, or in a state a 200 cannot have."""
    status = job.get("status")
    if not isinstance(status, str) or status not in _ENDED_BADLY:
        raise WrongError("result_status_unknown")
    error = job.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    is_told = isinstance(code, str) and _CODE.fullmatch(code)
    raise FailedError(f"job_{status}:{code}" if is_told else f"job_{status}")


def _read_object(body: bytes, *, what: str) -> dict[str, Any]:
    try:
        # Bytes would be taken for other encodings, too, and for characters that there are not.
        text = body.decode("utf-8-sig")
        parsed = json.loads(text, parse_constant=_refuse_constant)
        if "\\ud" in text or "\\uD" in text:
            _refuse_halves(parsed)
    except (ValueError, RecursionError) as exc:
        raise WrongError(f"{what}_not_json") from exc
    if not isinstance(parsed, dict):
        raise WrongError(f"{what}_not_an_object")
    return parsed


def _refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are Python's own: no other client could read them."""
    raise ValueError(name)


def _refuse_halves(parsed: object) -> None:
    """Raise ValueError for half a character (a lone surrogate), which no file can hold."""
    json.dumps(parsed, ensure_ascii=False).encode()


def _read_flag(source: dict[str, Any], key: str) -> bool:
    value = source.get(key)
    if value is not None and not isinstance(value, bool):
        raise WrongError(f"{key}_not_a_boolean")
    return bool(value)


def _read_duration(source: dict[str, Any], key: str) -> float | None:
    value = source.get(key)
    if value is None:
        return None
    number = read_number(value)
    if number is None or number < 0:
        raise WrongError(f"{key}_not_a_duration")
    return number


def _read_text(source: dict[str, Any], key: str) -> str | None:
    value = source.get(key)
    if value is not None and not isinstance(value, str):
        raise WrongError(f"{key}_not_a_string")
    return value


def _read_top_label(job: dict[str, Any]) -> str | None:
    """Return the best label of a classification, None for a picture; raise for neither."""
    result = job.get("result")
    if isinstance(result, dict) and "predictions" in result:
        labels = result["predictions"]
        if not isinstance(labels, list) or not labels or not all(map(_is_label, labels)):
            raise WrongError("predictions_malformed")
        if result.get("scores") is not None:
            _check_scores(result["scores"], count=len(labels))
        return str(labels[0])
    shown = result.keys() if isinstance(result, dict) else set()
    if not shown & _PICTURE_KEYS and not isinstance(job.get("outputs"), list):
        raise WrongError("result_empty")
    return None


def _check_scores(scores: object, *, count: int) -> None:
    """Raise WrongError unless there is one finite score a label, best first."""
    if not isinstance(scores, list) or len(scores) != count or not all(map(_is_number, scores)):
        raise WrongError("scores_malformed")
    if scores != sorted(scores, reverse=True):
        raise WrongError("scores_not_best_first")


def _is_label(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_number(value: object) -> bool:
    return read_number(value) is not None


def read_number(value: object) -> float | None:
    """Return a JSON number, None for anything else, such as one of hundreds of digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
