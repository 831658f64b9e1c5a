"""The HTTP face of one replica."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import unquote

from fastapi import FastAPI, Request, Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Lifespan

from step_app.answers import (
    PROBLEM_MEDIA_TYPE,
    dump,
    item_reply,
    json_answer,
    json_document,
    problem,
)
from step_app.contract.cancelling import CANCEL_PATH, CANCELLED_STATUS, decode_cancellation
from step_app.contract.frames import (
    BATCH_MEDIA_TYPE,
    BatchItem,
    BatchReply,
    ContractError,
    decode_batch,
    encode_reply,
)
from step_app.contract.limits import MAX_IMAGE_BYTES, MAX_REPLY_BYTES
from step_app.contract.trace_context import TraceContext
from step_app.departures import ClientGoneError, ImagesInWork, while_connected
from step_app.errors import (
    InvalidRequestError,
    MissingImageError,
    NotReadyError,
    PayloadTooLargeError,
    StepError,
    UnwantedError,
)
from step_app.forwarding import ChainRunner, Visit
from step_app.replica import Replica
from step_app.runner import StepResult, StepRunner
from step_app.steps.base import PictureOutput, StepRequest
from step_app.tracing import StepTracing, end_with, trace_of

_CANCELLED = StepResult(UnwantedError(), inference_time_s=0.0, duration_s=0.0)


class _CappedRequest(Request):
    """A request whose body is refused while it arrives, once it is too long."""

    limit_bytes = MAX_IMAGE_BYTES

    async def stream(self) -> AsyncIterator[bytes]:  # type: ignore[override] # narrower is fine
        received = 0
        async for chunk in super().stream():
            received += len(chunk)
            if received > self.limit_bytes:
                raise PayloadTooLargeError
            yield chunk


class _CappedBatchRequest(_CappedRequest):
    """One from a dispatcher or from the step before: pixels are larger than files."""

    limit_bytes = MAX_REPLY_BYTES


def create_app(replica: Replica, *, on_failure: Callable[[], None]) -> FastAPI:
    """Build the application of one replica; ``on_failure`` is called when it can never start."""
    chain = ChainRunner(replica)
    app = FastAPI(title="Conveyor step replica", lifespan=_lifespan(replica, chain, on_failure))
    app.add_exception_handler(StepError, _answer_step_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(ClientGoneError, _answer_nobody)
    _add_work_routes(app, replica, chain)
    _add_probe_routes(app, replica)
    return app


def _lifespan(
    replica: Replica, chain: ChainRunner, on_failure: Callable[[], None]
) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(replica.start(on_failure))
        await chain.start()
        try:
            yield
        finally:
            await loading
            await chain.close()
            await replica.close()

    return lifespan


def _add_work_routes(app: FastAPI, replica: Replica, chain: ChainRunner) -> None:
    in_work = ImagesInWork()

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        """Classify one image of a form."""
        _, runner = replica.require()
        filename, image = await _read_image(_CappedRequest(request.scope, request.receive))
        span = replica.tracing.begin(trace_of(request.headers))
        work = runner.submit(StepRequest(image, trace_id=_trace_id(span.context)))
        end_with(span, work)
        result = await while_connected(request.receive, work)
        if isinstance(result.outcome, StepError):
            raise result.outcome
        if isinstance(result.outcome, PictureOutput):
            raise InvalidRequestError("This step gives pictures: send them to /process.")
        return json_answer(json_document(filename, result))

    @app.post("/process")
    async def process(request: Request) -> Response:
        """Run this step on one image, then the next active ones; answer with what is last."""
        replica.require()
        visit = Visit.of(request.headers)
        capped = _CappedBatchRequest if visit.is_forwarded else _CappedRequest
        filename, image = await _read_image(capped(request.scope, request.receive))
        running = asyncio.ensure_future(chain.run(image, filename=filename, visit=visit))
        return await while_connected(request.receive, running)

    @app.post("/process_batch")
    async def process_batch(request: Request) -> Response:
        """Run this step on several images; each is answered alone, in order."""
        step, runner = replica.require()
        body = await _CappedBatchRequest(request.scope, request.receive).body()
        try:
            items = decode_batch(body)
        except ContractError as exc:
            raise InvalidRequestError(str(exc)) from exc
        futures = [_submit(item, runner, replica.tracing) for item in items]
        with in_work.known([item.id for item in items], futures):
            gathered = asyncio.gather(*futures, return_exceptions=True)
            results = await while_connected(request.receive, gathered)
        replies = [
            item_reply(item, _CANCELLED if isinstance(result, BaseException) else result)
            for item, result in zip(items, results, strict=True)
        ]
        reply = encode_reply(BatchReply(revision=step.revision, items=replies))
        return Response(reply, media_type=BATCH_MEDIA_TYPE)

    @app.post(CANCEL_PATH)
    async def cancel(request: Request) -> Response:
        """Take back images of batches that are in work; say how many there were."""
        try:
            ids = decode_cancellation(await _CappedRequest(request.scope, request.receive).body())
        except ContractError as exc:
            raise InvalidRequestError(str(exc)) from exc
        return json_answer({"cancelled": in_work.cancel(ids)})


def _submit(
    item: BatchItem, runner: StepRunner, tracing: StepTracing
) -> "asyncio.Future[StepResult]":
    work = runner.submit(_request(item))
    end_with(tracing.begin(item.trace), work)
    return work


def _trace_id(trace: TraceContext | None) -> str:
    return "" if trace is None else trace.trace_id


def _request(item: BatchItem) -> StepRequest:
    return StepRequest(
        image=item.image,
        params=item.params,
        output=item.output,
        tile=item.tile,
        lineage=item.lineage,
        as_is=item.as_is,
        trace_id=_trace_id(item.trace),
    )


def _add_probe_routes(app: FastAPI, replica: Replica) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        """Say that the process answers, as reference system (d) does."""
        return {"status": "healthy"}

    @app.get("/livez")
    async def livez() -> Response:
        """Say whether restarting this process would help."""
        if replica.is_stuck:
            return problem(NotReadyError("One batch has been running for too long."))
        return json_answer({"status": "alive"})

    @app.get("/readyz")
    async def readyz() -> Response:
        """Say whether the step is loaded, and which."""
        step, _ = replica.require()
        return json_answer(
            {
                "status": "ready",
                "type": replica.config.type,
                "step_id": replica.config.step_id,
                "revision": step.revision,
                "max_batch_size": replica.settings.max_batch_size,
                **step.description,
            }
        )

    @app.get("/metrics")
    async def metrics() -> Response:
        """Return the replica's Prometheus metrics."""
        return Response(replica.metrics.render(), media_type=replica.metrics.content_type)


async def _read_image(request: Request) -> tuple[str, bytes]:
    """Return the name and bytes of the image, a file of a form or the raw body.

    In a header the name is percent-encoded: headers hold no other characters for certain.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return unquote(request.headers.get("x-filename", "")), await request.body()
    async with request.form(max_files=1, max_fields=8) as form:
        upload = form.get("image")
        if not isinstance(upload, UploadFile):
            raise MissingImageError
        return upload.filename or "", await upload.read()


async def _answer_step_error(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, StepError)
    return problem(exc)


async def _answer_nobody(_: Request, __: Exception) -> Response:
    """Return what is never sent: the connection is closed."""
    return Response(status_code=CANCELLED_STATUS)


async def _answer_http_error(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed"}
    document = {
        "type": "about:blank",
        "title": str(exc.detail),
        "status": exc.status_code,
        "code": codes.get(exc.status_code, "invalid_request"),
        "detail": str(exc.detail),
    }
    return Response(
        dump(document),
        status_code=exc.status_code,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=exc.headers,
    )
