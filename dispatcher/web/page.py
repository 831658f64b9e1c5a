"""Serves the page: ``GET /`` and its parts below ``/page/``.

All files are read when the service starts: it goes on serving the page that it began with when a
newer one is put in its place, and no request ever reaches the file system. Nothing else happens
before somebody looks; what is sent compressed is compressed when it is first asked for.
"""

import asyncio
import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response

from dispatcher.errors import NotFoundError

BUILT: Final = Path(__file__).with_name("built")
"""Where the files are that ``./setup.sh page`` has made."""
INDEX: Final = "index.html"
MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What is served; a file with any other ending is none of the page's."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page: its own files, pictures fetched by it, nothing else."""
_PROBLEM: Final = {"content": {"application/problem+json": {}}, "description": "A problem."}
_HASHED: Final = re.compile(r"-[A-Za-z0-9_-]{8}\.[a-z]+")
"""Ends of names that Vite makes of a file's content: such a file never changes."""
_YEAR_S: Final = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page."""

    name: str
    body: bytes
    media_type: str
    etag: str
    """Without quotes."""

    @property
    def is_hashed(self) -> bool:
        """Say whether its name would be another if its content were."""
        return _HASHED.search(self.name) is not None

    def headers(self) -> dict[str, str]:
        """Return the headers of every answer with this file, whatever its coding."""
        return {
            "Cache-Control": (
                f"public, max-age={_YEAR_S}, immutable" if self.is_hashed else "no-cache"
            ),
            "Content-Security-Policy": POLICY,
            "Referrer-Policy": "no-referrer",
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }


def load_page(folder: Path = BUILT) -> dict[str, PageFile]:
    """Return the files of the page by name.

    Raises:
        FileNotFoundError: there is no page; ``./setup.sh page`` makes it.
    """
    files = {
        path.name: _load(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix in MEDIA_TYPES
    }
    if INDEX not in files:
        raise FileNotFoundError(f"{folder / INDEX} is missing: ./setup.sh page makes it")
    return files


def page_router(files: Mapping[str, PageFile]) -> APIRouter:
    """Return the routes of the page."""
    router, server = APIRouter(tags=["page"]), _PageServer(files)

    @router.get(
        "/",
        response_class=Response,
        responses={200: {"content": {"text/html": {}}, "description": "The page."}},
    )
    async def get_page(request: Request) -> Response:
        """Return the page that shows the service to people."""
        return await server.answer(INDEX, request)

    @router.get(
        "/page/{name}",
        response_class=Response,
        responses={
            200: {"content": {"*/*": {}}, "description": "The file."},
            **dict.fromkeys((404, 422), _PROBLEM),
        },
    )
    async def get_page_file(request: Request, name: str) -> Response:
        """Return a file that the page is made of."""
        return await server.answer(name, request)

    return router


def accepts_gzip(header: str) -> bool:
    """Say whether an ``Accept-Encoding`` allows gzip by name (RFC 9110, section 12.5.3)."""
    for entry in header.lower().split(","):
        coding, _, weight = entry.partition(";")
        if coding.strip() == "gzip":
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight)
    return False


class _PageServer:
    """Answers with files, compressed for whoever takes that."""

    def __init__(self, files: Mapping[str, PageFile]) -> None:
        self._files = files
        self._compressed: dict[str, bytes] = {}

    async def answer(self, name: str, request: Request) -> Response:
        """Return the answer to a request for a file.

        Raises:
            NotFoundError: the page has no such file.
        """
        file = self._files.get(name)
        if file is None:
            raise NotFoundError("The page has no such file.")
        headers, body, etag = file.headers(), file.body, f'"{file.etag}"'
        if accepts_gzip(request.headers.get("accept-encoding", "")):
            body, etag = await self._gzip(file), f'"{file.etag}-gzip"'
            headers["Content-Encoding"] = "gzip"
        headers["ETag"] = etag
        known = request.headers.get("if-none-match", "")
        if etag in (entry.strip().removeprefix("W/") for entry in known.split(",")):
            headers.pop("Content-Encoding", None)
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=file.media_type, headers=headers)

    async def _gzip(self, file: PageFile) -> bytes:
        compressed = self._compressed.get(file.name)
        if compressed is None:
            # Some ten milliseconds for the largest: not on the thread that serves everybody.
            compressed = await asyncio.to_thread(gzip.compress, file.body, mtime=0)
            self._compressed[file.name] = compressed
        return compressed


def _load(path: Path) -> PageFile:
    body = path.read_bytes()
    return PageFile(
        name=path.name,
        body=body,
        media_type=MEDIA_TYPES[path.suffix],
        etag=hashlib.sha256(body).hexdigest()[:32],
    )
