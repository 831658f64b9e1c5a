"""The HTTP face of one replica."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Lifespan

from step_app.contract import (
    BATCH_MEDIA_TYPE,
    JSON_MEDIA_TYPE,
    MAX_IMAGE_BYTES,
    BatchItem,
    BatchReply,
    ContractError,
    ItemReply,
    decode_batch,
    encode_reply,
)
from step_app.errors import (
    InvalidRequestError,
    MissingImageError,
    NotReadyError,
    PayloadTooLargeError,
    StepError,
)
from step_app.metrics import StepMetrics
from step_app.runner import StepResult, StepRunner
from step_app.settings import Settings, StepConfig
from step_app.steps.base import Step
from step_app.steps.registry import load_step

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
_MAX_BATCH_BYTES: Final = 256 * 1024 * 1024
_STUCK_AFTER_S: Final = 60.0
"""A batch that runs for longer than this is taken for a hung replica by ``/livez``."""


class Replica:
    """The state of this process: starting, then ready, or failed for good."""

    def __init__(self, config: StepConfig, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.metrics = StepMetrics()
        self.failure: Exception | None = None
        self._step: Step | None = None
        self._runner: StepRunner | None = None

    async def start(self, on_failure: Callable[[], None]) -> None:
        """Load the step beside the event loop, so that probes are answered meanwhile."""
        try:
            self._step = await asyncio.to_thread(load_step, self.config, self.settings)
        except Exception as exc:  # a replica that never gets ready must end, and say why
            self.failure = exc
            on_failure()
            return
        self._runner = StepRunner(
            self._step,
            step_type=self.config.type,
            max_batch_size=self.settings.max_batch_size,
            decode_threads=self.settings.step_threads - 1,
            metrics=self.metrics,
        )
        self._runner.start()

    async def close(self) -> None:
        """Finish what was accepted."""
        if self._runner is not None:
            await self._runner.close()

    def require(self) -> tuple[Step, StepRunner]:
        """Return the loaded step and its runner.

        Raises:
            NotReadyError: it is still loading.
        """
        if self._step is None or self._runner is None:
            raise NotReadyError
        return self._step, self._runner

    @property
    def is_stuck(self) -> bool:
        """Say whether the step has been computing one batch for far too long."""
        return self._runner is not None and self._runner.busy_s() > _STUCK_AFTER_S


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
    limit_bytes = _MAX_BATCH_BYTES


def create_app(replica: Replica, *, on_failure: Callable[[], None]) -> FastAPI:
    """Build the application of one replica; ``on_failure`` is called when it can never start."""
    app = FastAPI(title="Conveyor step replica", lifespan=_lifespan(replica, on_failure))
    app.add_exception_handler(StepError, _answer_step_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    _add_work_routes(app, replica)
    _add_probe_routes(app, replica)
    return app


def _lifespan(replica: Replica, on_failure: Callable[[], None]) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(replica.start(on_failure))
        yield
        await loading
        await replica.close()

    return lifespan


def _add_work_routes(app: FastAPI, replica: Replica) -> None:
    @app.post("/predict")
    async def predict(request: Request) -> Response:
        """Classify one image of a form."""
        return (await _process_one(replica, request))[0]

    @app.post("/process")
    async def process(request: Request) -> Response:
        """Run this step on one image, a raw body or a form."""
        response, result = await _process_one(replica, request)
        name = f"X-Step-{replica.config.step_id}-Time"
        response.headers[name] = f"{result.duration_s:.6f}"
        return response

    @app.post("/process_batch")
    async def process_batch(request: Request) -> Response:
        """Run this step on several images; each is answered alone, in order."""
        step, runner = replica.require()
        body = await _CappedBatchRequest(request.scope, request.receive).body()
        try:
            items = decode_batch(body)
        except ContractError as exc:
            raise InvalidRequestError(str(exc)) from exc
        results = await asyncio.gather(*(runner.submit(i.image, i.params) for i in items))
        replies = [_reply(item, result) for item, result in zip(items, results, strict=True)]
        reply = encode_reply(BatchReply(revision=step.revision, items=replies))
        return Response(reply, media_type=BATCH_MEDIA_TYPE)


def _add_probe_routes(app: FastAPI, replica: Replica) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        """Say that the process answers, as reference system (d) does."""
        return {"status": "healthy"}

    @app.get("/livez")
    async def livez() -> Response:
        """Say whether restarting this process would help."""
        if replica.is_stuck:
            return _problem(NotReadyError("One batch has been running for too long."))
        return _json({"status": "alive"})

    @app.get("/readyz")
    async def readyz() -> Response:
        """Say whether the step is loaded, and which."""
        step, _ = replica.require()
        return _json(
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


async def _process_one(replica: Replica, request: Request) -> tuple[Response, StepResult]:
    _, runner = replica.require()
    filename, image = await _read_image(_CappedRequest(request.scope, request.receive))
    result = await runner.submit(image, {})
    if isinstance(result.outcome, StepError):
        raise result.outcome
    return _json(_result_document(filename, result)), result


async def _read_image(request: Request) -> tuple[str, bytes]:
    """Return the name and bytes of the image, a file of a form or the raw body."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return request.headers.get("x-filename", ""), await request.body()
    async with request.form(max_files=1, max_fields=8) as form:
        upload = form.get("image")
        if not isinstance(upload, UploadFile):
            raise MissingImageError
        return upload.filename or "", await upload.read()


def _reply(item: BatchItem, result: StepResult) -> ItemReply:
    if isinstance(result.outcome, StepError):
        problem = _problem(result.outcome)
        return ItemReply(
            id=item.id,
            status=result.outcome.status,
            content_type=PROBLEM_MEDIA_TYPE,
            body=bytes(problem.body),
            duration_s=result.duration_s,
        )
    return ItemReply(
        id=item.id,
        status=200,
        content_type=JSON_MEDIA_TYPE,
        body=_dump(_result_document(item.filename, result)),
        duration_s=result.duration_s,
    )


def _result_document(filename: str, result: StepResult) -> dict[str, Any]:
    assert not isinstance(result.outcome, StepError)
    return {
        "filename": filename,
        "inference_time": result.inference_time_s,
        **result.outcome.data,
    }


def _problem(error: StepError) -> Response:
    document = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
    }
    return Response(_dump(document), status_code=error.status, media_type=PROBLEM_MEDIA_TYPE)


async def _answer_step_error(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, StepError)
    return _problem(exc)


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
        _dump(document),
        status_code=exc.status_code,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=exc.headers,
    )


def _json(document: Mapping[str, Any]) -> Response:
    return Response(_dump(document), media_type=JSON_MEDIA_TYPE)


def _dump(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
