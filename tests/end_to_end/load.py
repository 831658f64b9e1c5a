"""Clients that never stop asking, and remember every answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.end_to_end.service import distinct, photo


@dataclass
class Log:
    """What the clients saw."""

    documents: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[httpx.Response] = field(default_factory=list)


async def ask_until(
    url: str, is_over: Callable[[], bool], *, clients: int = 16, first_number: int = 0
) -> Log:
    """Send distinct photos from several clients until it is over; raises on any lost answer."""
    log = Log()
    data = photo()
    numbers = iter(range(first_number, first_number + 1_000_000))

    async def client_loop(client: httpx.AsyncClient) -> None:
        while not is_over():
            image = distinct(data, next(numbers))
            response = await client.post(
                "/predict_async", content=image, headers={"Content-Type": "image/jpeg"}
            )
            if response.status_code == 503:
                log.refusals.append(response)
                await asyncio.sleep(0.02)
                continue
            assert response.status_code == 202, response.text
            log.documents.append(await _fetch(client, response.json()["status_url"]))

    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        await asyncio.gather(*(client_loop(client) for _ in range(clients)))
    return log


async def _fetch(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    for _ in range(10):
        response = await client.get(path, params={"wait": 10})
        if response.status_code == 200:
            document: dict[str, Any] = response.json()
            return document
    raise AssertionError(f"{path} did not end")
