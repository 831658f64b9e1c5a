"""Batches sent to the whole application, and their jobs ended by hand."""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from dispatcher.jobs import Job, Output
from dispatcher.settings import load_settings
from dispatcher.wiring import Services, build_services
from tests.dispatcher.forms import CONTENT_TYPE, Part, form, text
from tests.dispatcher.images import png
from tests.dispatcher.records import completed, failed, make_pipeline, make_stage

BLUR = {"operations": [["blur", "median"]]}
FORM = {"content-type": CONTENT_TYPE.decode()}


@asynccontextmanager
async def open_services(data_dir: Path, *more_flags: str) -> AsyncIterator[Services]:
    """All services with the two built-in pipelines, an open blob store and no replica."""
    flags = ["--queue-capacity", "3", "--replicas", "1", "--data-dir", str(data_dir)]
    services = build_services(load_settings([*flags, *more_flags]))
    operations = make_stage(pipeline_id="operations", step_type="operations")
    services.pipelines.replace(
        [make_pipeline(), make_pipeline(operations, pipeline_id="operations")]
    )
    services.lifecycle.is_started = True
    await services.blobs.start()
    try:
        yield services
    finally:
        await services.blobs.close()


def file(filename: str = "koala.png", *, seed: int = 0, data: bytes | None = None) -> Part:
    """A file field; by default with an image of its own."""
    content = png(tail=b"pixels %d" % seed) if data is None else data
    return Part(name="files", filename=filename, data=content)


def actions(document: object = BLUR) -> Part:
    return text("actions", json.dumps(document))


async def process(http: httpx.AsyncClient, *parts: Part) -> httpx.Response:
    return await http.post("/process", content=form(*parts), headers=FORM)


async def send(http: httpx.AsyncClient, *files: Part, document: object = BLUR) -> dict[str, Any]:
    """Send a batch that is accepted; return its ticket."""
    response = await process(http, actions(document), *files)
    assert response.status_code == 202, response.text
    ticket: dict[str, Any] = response.json()
    return ticket


async def make_pictures(
    services: Services, job: Job, media_types: Sequence[str], *, is_split: bool = False
) -> Job:
    """That job as completed with pictures, which are in the blob store."""
    outputs = []
    for number, media_type in enumerate(media_types):
        data = f"{media_type} {number} of {job.filename} {job.digest}".encode()
        digest = hashlib.sha256(data).hexdigest()
        await services.blobs.put(digest, data)
        piece = number if is_split else None
        outputs.append(
            Output(digest=digest, media_type=media_type, width=4, height=5, data={}, piece=piece)
        )
    return completed(job, result=None, outputs=tuple(outputs))


async def end_next(
    services: Services,
    *media_types: str,
    is_split: bool = False,
    code: str | None = None,
) -> Job:
    """Do with the oldest waiting job what a consumer does at its end."""
    lease = await services.queue.reserve(services.queue.lanes())
    assert lease is not None
    job = await services.results.get(lease.job_id)
    if code is not None:
        ended = failed(job, code)
    else:
        ended = await make_pictures(services, job, media_types or ("image/png",), is_split=is_split)
    await services.results.save(ended)
    services.figures.count_ended(ended)
    await services.queue.ack(lease)
    await services.endings.settle(ended)
    return ended
