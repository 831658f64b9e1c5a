"""Sends files to ``POST /process`` and fetches what was made of them."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import aiohttp

from benchmarks.photos import Photo

Operations = Sequence[Sequence[Any]]


def fresh(photo: Photo) -> Photo:
    """Return the same picture in bytes that no service has seen: a JPEG may have a tail."""
    return replace(photo, data=photo.data + os.urandom(8))


async def process(
    session: aiohttp.ClientSession, url: str, photos: Sequence[Photo], operations: Operations
) -> dict[str, Any]:
    """Send photos as one batch and return its document once all of it has ended."""
    form = aiohttp.FormData()
    form.add_field("actions", json.dumps({"operations": operations}))
    for photo in photos:
        form.add_field("files", photo.data, filename=photo.name, content_type="image/jpeg")
    async with session.post(f"{url}/process", data=form) as response:
        response.raise_for_status()
        ticket = await response.json()
    while True:
        async with session.get(f"{url}{ticket['status_url']}?wait=60") as response:
            document: dict[str, Any] = await response.json()
        if document["is_done"]:
            failed = len(photos) - document["counts"]["completed"]
            if failed:
                raise SystemExit(f"{failed} of {len(photos)} files failed: {document}")
            return document


async def fetch_first(
    session: aiohttp.ClientSession, url: str, batch: dict[str, Any]
) -> tuple[dict[str, Any], bytes]:
    """Return the result document and the picture of the first file of a batch."""
    request = batch["requests"][0]
    async with session.get(f"{url}{request['status_url']}/image") as response:
        picture = await response.read()
        response.raise_for_status()
    async with session.get(f"{url}{request['status_url']}") as response:
        document: dict[str, Any] = await response.json()
    return document, picture


async def time_to_picture(
    session: aiohttp.ClientSession, url: str, photo: Photo, operations: Operations
) -> float:
    """Return the seconds from sending one photo to having the picture made of it."""
    started = time.perf_counter()
    batch = await process(session, url, [photo], operations)
    async with session.get(f"{url}{batch['requests'][0]['status_url']}/image") as response:
        response.raise_for_status()
        await response.read()
    return time.perf_counter() - started
