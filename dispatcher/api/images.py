"""The pictures that a job made: ``GET /result/<id>/image`` and, of a split, ``…/image/<piece>``."""

from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from dispatcher.api.asgi import tenant_of
from dispatcher.api.documents import made_name, step_headers
from dispatcher.api.problems import PROBLEM_RESPONSES
from dispatcher.api.records import RecordView
from dispatcher.blobs.base import BlobCorruptError, BlobMissingError, BlobStore
from dispatcher.errors import GoneError, NotFoundError
from dispatcher.jobs import Job, Output
from dispatcher.results.base import ResultStore

_MAX_PIECE_DIGITS: Final = 6


def image_router(*, results: ResultStore, blobs: BlobStore) -> APIRouter:
    """Return the routes of this resource."""
    router, records = APIRouter(tags=["jobs"]), RecordView(results)
    pictures: dict[int | str, dict[str, Any]] = {
        200: {"content": {"image/*": {}}, "description": "The picture."}
    }

    @router.get(
        "/result/{request_id}/image",
        response_class=Response,
        responses={**pictures, **PROBLEM_RESPONSES},
    )
    async def get_image(request: Request, request_id: str, download: bool = False) -> Response:
        """Return the picture that a job made; of a split the first piece."""
        job = await records.job(request_id, tenant=tenant_of(request.scope))
        return await _answer(job, _find(job, 0), blobs, download=download)

    @router.get(
        "/result/{request_id}/image/{piece}",
        response_class=Response,
        responses={**pictures, **PROBLEM_RESPONSES},
    )
    async def get_piece(
        request: Request, request_id: str, piece: str, download: bool = False
    ) -> Response:
        """Return one piece of a picture that was split, counted from 0 in reading order."""
        job = await records.job(request_id, tenant=tenant_of(request.scope))
        if not (piece.isascii() and piece.isdigit() and len(piece) <= _MAX_PIECE_DIGITS):
            raise NotFoundError
        return await _answer(job, _find(job, int(piece)), blobs, download=download)

    return router


def picture_headers(name: str, *, download: bool) -> dict[str, str]:
    """Return the headers of a picture: never taken for anything else, never run."""
    kind = "attachment" if download else "inline"
    return {
        "Content-Disposition": f"{kind}; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, max-age=3600",
    }


def _find(job: Job, number: int) -> Output:
    if number >= len(job.outputs):
        state = "has no such picture" if job.state.is_terminal else "has not ended yet"
        raise NotFoundError(f"The job {state}.")
    return job.outputs[number]


async def _answer(job: Job, output: Output, blobs: BlobStore, *, download: bool) -> Response:
    try:
        body = await blobs.get(output.digest)
    except (BlobMissingError, BlobCorruptError) as exc:
        raise GoneError from exc
    headers = picture_headers(made_name(job.filename, output), download=download)
    headers |= {name.decode(): value.decode() for name, value in step_headers(job)}
    return Response(body, media_type=output.media_type, headers=headers)
