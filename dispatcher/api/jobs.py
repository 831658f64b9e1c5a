"""Jobs: ``POST /predict_async``, ``POST /predict`` and ``GET /result/<id>``."""

from typing import Any, Final

from starlette.routing import Route

from dispatcher.api.asgi import (
    Receive,
    Scope,
    Send,
    let_go_of_body,
    parse_flag,
    parse_priority,
    parse_seconds,
    parse_tiles,
    read_query,
    send_json,
    tenant_of,
)
from dispatcher.api.documents import result, step_headers, ticket
from dispatcher.api.records import RecordView
from dispatcher.api.tracing import note_job, trace_of
from dispatcher.crash_points import crash_point
from dispatcher.delivery.callback_url import CallbackPolicy, read_callback_url
from dispatcher.errors import DuplicateFieldError, MalformedMultipartError, UnknownFieldError
from dispatcher.intake.idempotency import fingerprint, read_key
from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.intake.submission import Intake
from dispatcher.intake.upload import Upload, read_upload
from dispatcher.jobs import Idempotency, Job
from dispatcher.queues.base import JobQueue
from dispatcher.results.base import ResultStore
from dispatcher.telemetry.figures import Figures

MAX_WAIT_S: Final = 60.0
DEFAULT_TIMEOUT_S: Final = 30.0
_SUBMIT_FIELDS: Final = frozenset(
    {"pipeline", "params", "tiles", "cache", "priority", "deadline_s", "webhook_url"}
)
MAX_DEADLINE_S: Final = 7 * 24 * 3600.0
_PREDICT_FIELDS: Final = _SUBMIT_FIELDS | {"timeout_s"}
_DEFAULT_OPTIONS: Final = SubmitOptions()
_RETRY_SOON: Final = [(b"retry-after", b"1")]


def job_routes(
    *, submit: "SubmitEndpoint", result: "ResultEndpoint", predict: "PredictEndpoint"
) -> list[Route]:
    """Return the routes of this resource."""
    return [
        Route("/predict_async", submit, methods=["POST"]),
        Route("/result/{request_id}", result, methods=["GET"]),
        Route("/predict", predict, methods=["POST"]),
    ]


class ResultView:
    """Sends a job as it is at the moment."""

    def __init__(self, *, queue: JobQueue, figures: Figures) -> None:
        self._queue = queue
        self._figures = figures

    async def send(self, send: Send, job: Job) -> None:
        """Answer with the result document: 200 when the job has ended, else 202."""
        document = self.document(job)
        if job.state.is_terminal:
            await send_json(send, 200, document, headers=step_headers(job))
        else:
            await send_json(send, 202, document, headers=_RETRY_SOON)

    def document(self, job: Job) -> dict[str, Any]:
        """Return the result document."""
        if job.state.is_terminal:
            return result(job, position=None, drain_rate=0.0)
        return result(
            job,
            position=self._queue.position(job.id),
            drain_rate=self._figures.drain_rate(job.pipeline_id),
        )


class SubmitEndpoint:
    """``POST /predict_async``: an image in, a ticket out."""

    def __init__(self, intake: Intake, queue: JobQueue, *, callbacks: CallbackPolicy) -> None:
        self._intake = intake
        self._queue = queue
        self._callbacks = callbacks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        self._intake.check_room()
        key = read_key(scope["headers"])
        upload, fields = await _read_request(scope, receive, allowed=_SUBMIT_FIELDS)
        options = _options(scope, fields, self._callbacks, _identify(key, upload, fields))
        job = await self._intake.submit(upload, options)
        note_job(scope, job)
        status = 200 if job.from_cache else 202
        await send_json(send, status, ticket(job, queue_size=self._queue.depth()))


class PredictEndpoint:
    """``POST /predict``: an image in, its result out, or a ticket when that takes too long."""

    def __init__(
        self,
        intake: Intake,
        queue: JobQueue,
        results: ResultStore,
        view: ResultView,
        *,
        callbacks: CallbackPolicy,
    ) -> None:
        self._intake = intake
        self._queue = queue
        self._results = results
        self._view = view
        self._callbacks = callbacks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        self._intake.check_room()
        key = read_key(scope["headers"])
        upload, fields = await _read_request(scope, receive, allowed=_PREDICT_FIELDS)
        timeout_s = DEFAULT_TIMEOUT_S
        if "timeout_s" in fields:
            timeout_s = parse_seconds(fields["timeout_s"], name="timeout_s", maximum=MAX_WAIT_S)
        options = _options(scope, fields, self._callbacks, _identify(key, upload, fields))
        job = await self._intake.submit(upload, options)
        note_job(scope, job)
        del upload
        let_go_of_body(scope)
        job = await self._results.wait(job.id, timeout_s=timeout_s)
        if job.state.is_terminal:
            await self._view.send(send, job)
        else:
            await send_json(
                send, 202, ticket(job, queue_size=self._queue.depth()), headers=_RETRY_SOON
            )


class ResultEndpoint:
    """``GET /result/<id>``: a job, held back by ``?wait=`` until it ends."""

    def __init__(self, results: ResultStore, view: ResultView) -> None:
        self._records = RecordView(results)
        self._view = view

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Serve one request."""
        job_id, tenant = scope["path_params"]["request_id"], tenant_of(scope)
        query = read_query(scope, allowed=frozenset({"wait"}))
        if "wait" in query:
            wait_s = parse_seconds(query["wait"], name="wait", maximum=MAX_WAIT_S)
            job = await self._records.wait(job_id, tenant=tenant, timeout_s=wait_s)
        else:
            job = await self._records.job(job_id, tenant=tenant)
        await self._view.send(send, job)


async def _read_request(
    scope: Scope, receive: Receive, *, allowed: frozenset[str]
) -> tuple[Upload, dict[str, str]]:
    """Return the upload, and its options from form and query together."""
    query = read_query(scope, allowed=allowed)
    headers = dict(scope["headers"])
    is_any_twice = len(headers) < len(scope["headers"])
    if is_any_twice and sum(name == b"content-type" for name, _ in scope["headers"]) > 1:
        raise MalformedMultipartError("The Content-Type is there twice.")
    upload = await read_upload(headers, receive)
    crash_point("body_read")
    for name in upload.fields:
        if name not in allowed:
            known = ", ".join(sorted(allowed | {"image"}))
            raise UnknownFieldError(f"The form has an unknown field; known: {known}.")
        if name in query:
            raise DuplicateFieldError(f"{name} is in the form and in the query.")
    return upload, {**query, **upload.fields}


def _identify(key: str | None, upload: Upload, fields: dict[str, str]) -> Idempotency | None:
    """Return what makes the request repeatable; how long it waits is no part of what it asks."""
    if key is None:
        return None
    options = [(name, text) for name, text in fields.items() if name != "timeout_s"]
    return Idempotency(key, fingerprint(upload.digest, options))


def _options(
    scope: Scope,
    fields: dict[str, str],
    callbacks: CallbackPolicy,
    idempotency: Idempotency | None,
) -> SubmitOptions:
    tenant, trace = tenant_of(scope), trace_of(scope)
    if not fields and idempotency is None and not tenant and trace is None:
        return _DEFAULT_OPTIONS  # nearly always, and then nothing need be parsed
    webhook_url = fields.get("webhook_url")
    if webhook_url is not None:
        read_callback_url(webhook_url, callbacks)  # refuses what will never be called
    deadline_s = None
    if "deadline_s" in fields:
        deadline_s = parse_seconds(fields["deadline_s"], name="deadline_s", maximum=MAX_DEADLINE_S)
    return SubmitOptions(
        pipeline=fields.get("pipeline", "default"),
        params=fields.get("params"),
        tiles=parse_tiles(fields["tiles"]) if "tiles" in fields else None,
        use_cache=parse_flag(fields.get("cache", "true"), name="cache"),
        priority=parse_priority(fields.get("priority", "1")),
        deadline_s=deadline_s,
        webhook_url=webhook_url,
        tenant=tenant,
        idempotency=idempotency,
        trace=trace,
    )
