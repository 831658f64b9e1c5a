"""Pictures of a batch: ``GET /static/<batch_id>/sent|made/<name>``, a page, ``/batch/<id>/zip``.

Every path is looked up among the names of the batch; none ever reaches a file system.
"""

from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from dispatcher.api.archive import ZipResponse
from dispatcher.api.asgi import tenant_of
from dispatcher.api.contents import FOLDERS, find_picture, load_contents
from dispatcher.api.images import picture_headers
from dispatcher.api.index_page import PAGE_POLICY, index_page
from dispatcher.api.problems import PROBLEM_RESPONSES
from dispatcher.api.records import RecordView
from dispatcher.blobs.base import BlobCorruptError, BlobMissingError, BlobStore
from dispatcher.errors import NotFoundError
from dispatcher.results.base import ResultStore

_PAGE_HEADERS: Final = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_PICTURES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"image/*": {}}, "description": "The picture, always whole."}
}
_ZIP: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/zip": {}}, "description": "Folders sent and made."}
}


def static_router(*, results: ResultStore, blobs: BlobStore) -> APIRouter:
    """Return the routes of this resource."""
    router, records = APIRouter(tags=["batches"]), RecordView(results)

    @router.get(
        "/static/{batch_id}",
        response_class=RedirectResponse,
        status_code=307,
        responses={
            307: {"description": "The same with a slash, for the links of the page."},
            **PROBLEM_RESPONSES,
        },
    )
    async def redirect_to_batch(batch_id: str) -> Response:
        """Send a client that left out the slash to the page."""
        return RedirectResponse(f"/static/{quote(batch_id, safe='')}/")

    @router.get("/static/{batch_id}/", response_class=HTMLResponse, responses={**PROBLEM_RESPONSES})
    async def list_batch(request: Request, batch_id: str) -> Response:
        """Return a page with links to the pictures sent and those made so far."""
        batch = await records.batch(batch_id, tenant=tenant_of(request.scope))
        contents = await load_contents(results, batch)
        return HTMLResponse(index_page(contents), headers=_PAGE_HEADERS)

    @router.get(
        "/batch/{batch_id}/zip",
        response_class=Response,
        responses={**_ZIP, **PROBLEM_RESPONSES},
    )
    async def get_zip(request: Request, batch_id: str) -> Response:
        """Return the pictures sent and those made so far as one zip file."""
        batch = await records.batch(batch_id, tenant=tenant_of(request.scope))
        contents = await load_contents(results, batch)
        return ZipResponse(
            [picture for folder in FOLDERS for picture in contents.pictures(folder)],
            blobs=blobs,
            filename=f"{batch_id}.zip",
            modified_at=contents.batch.created_at,
        )

    @router.get(
        "/static/{batch_id}/{folder}/{name}",
        response_class=Response,
        responses={**_PICTURES, **PROBLEM_RESPONSES},
    )
    async def get_picture(request: Request, batch_id: str, folder: str, name: str) -> Response:
        """Return one picture; the folder is sent or made."""
        batch = await records.batch(batch_id, tenant=tenant_of(request.scope))
        picture = await find_picture(results, batch, folder=folder, name=name)
        try:
            data = await blobs.get(picture.digest)
        except (BlobMissingError, BlobCorruptError) as exc:
            raise NotFoundError from exc
        headers = {**picture_headers(picture.name, download=False), "Accept-Ranges": "none"}
        return Response(data, media_type=picture.media_type, headers=headers)

    return router
