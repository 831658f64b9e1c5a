"""Batches: ``POST /process`` and ``GET /batch/<id>``."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from starlette.routing import Route

from dispatcher.api.asgi import (
    Receive,
    Scope,
    Send,
    parse_seconds,
    read_query,
    send_json,
    tenant_of,
)
from dispatcher.api.contents import (
    BatchContents,
    BatchEntry,
    load_contents,
    static_url,
    zip_url,
)
from dispatcher.api.documents import iso
from dispatcher.api.jobs import MAX_WAIT_S
from dispatcher.api.records import RecordView
from dispatcher.api.tracing import trace_of
from dispatcher.blobs.base import BlobStore
from dispatcher.errors import GoneError, MalformedMultipartError, NotFoundError
from dispatcher.intake.batch_form import read_batch_form
from dispatcher.intake.batches import BatchIntake, BatchInTransit
from dispatcher.jobs import Batch, JobState
from dispatcher.results.base import ResultStore

GONE: Final = "gone"
"""Told of a job that ended so long ago that it is no longer kept."""


def batch_routes(*, process: "ProcessEndpoint", batch: "BatchEndpoint") -> list[Route]:
    """Return the routes of this resource."""
    return [
        Route("/process", process, methods=["POST"]),
        Route("/batch/{batch_id}", batch, methods=["GET"]),
    ]


class ProcessEndpoint:
    """``POST /process``: files and actions in, a batch out."""

    def __init__(self, intake: BatchIntake, results: ResultStore, blobs: BlobStore) -> None:
        self._intake = intake
        self._results = results
        self._blobs = blobs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        read_query(scope, allowed=frozenset())
        transit = BatchInTransit(tenant=tenant_of(scope), trace=trace_of(scope))
        form = await read_batch_form(
            _headers(scope),
            receive,
            blobs=self._blobs,
            on_files=partial(self._intake.advance, transit),
        )
        batch = await self._intake.submit(form, transit)
        contents = await load_contents(self._results, batch)
        await send_json(send, 202, {**_links(batch), "requests": _tickets(contents)})


class BatchEndpoint:
    """``GET /batch/<id>``: a batch, held back by ``?wait=`` until all of it has ended."""

    def __init__(self, results: ResultStore) -> None:
        self._results = results
        self._records = RecordView(results)

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Serve one request."""
        query = read_query(scope, allowed=frozenset({"wait"}))
        batch_id = scope["path_params"]["batch_id"]
        batch = await self._records.batch(batch_id, tenant=tenant_of(scope))
        if "wait" in query:
            wait_s = parse_seconds(query["wait"], name="wait", maximum=MAX_WAIT_S)
            await self._wait(batch, timeout_s=wait_s)
        await send_json(send, 200, batch_document(await load_contents(self._results, batch)))

    async def _wait(self, batch: Batch, *, timeout_s: float) -> None:
        ends_at = time.monotonic() + timeout_s
        for file in batch.files:
            try:
                await self._results.wait(
                    file.job_id, timeout_s=max(0.0, ends_at - time.monotonic())
                )
            except (NotFoundError, GoneError):
                continue


def batch_document(contents: BatchContents) -> dict[str, Any]:
    """Return a batch as the JSON of the wire contract."""
    batch = contents.batch
    states = [_state(entry) for entry in contents.entries]
    counts = {state: states.count(state) for state in (*JobState, GONE)}
    unended = counts[JobState.QUEUED] + counts[JobState.PROCESSING]
    return {
        **_links(batch),
        "created_at": iso(batch.created_at),
        "counts": counts,
        "total": len(states),
        "is_done": unended == 0,
        "requests": [_request(batch, entry) for entry in contents.entries],
    }


def _links(batch: Batch) -> dict[str, Any]:
    return {
        "batch_id": batch.id,
        "status_url": f"/batch/{batch.id}",
        "static_url": static_url(batch.id),
        "zip_url": zip_url(batch.id),
    }


def _tickets(contents: BatchContents) -> list[dict[str, Any]]:
    return [_ticket(entry) for entry in contents.entries]


def _ticket(entry: BatchEntry) -> dict[str, Any]:
    return {
        "request_id": entry.sent_file.job_id,
        "filename": entry.sent_file.filename,
        "status": _state(entry),
        "status_url": f"/result/{entry.sent_file.job_id}",
    }


def _request(batch: Batch, entry: BatchEntry) -> dict[str, Any]:
    error = None if entry.job is None else entry.job.error
    base = static_url(batch.id)
    return {
        **_ticket(entry),
        "error": None if error is None else {"code": error.code, "detail": error.detail},
        "sent": None if entry.sent is None else f"{base}{entry.sent.relative_url}",
        "outputs": [f"{base}{picture.relative_url}" for picture in entry.made],
    }


def _state(entry: BatchEntry) -> str:
    return GONE if entry.job is None else entry.job.state.value


def _headers(scope: Scope) -> Mapping[bytes, bytes]:
    """Return the headers by name.

    Raises:
        MalformedMultipartError: the Content-Type is there twice, with two boundaries perhaps.
    """
    headers: dict[bytes, bytes] = dict(scope["headers"])
    if sum(name == b"content-type" for name, _ in scope["headers"]) > 1:
        raise MalformedMultipartError("The Content-Type is there twice.")
    return headers
