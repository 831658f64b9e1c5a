"""A client as lean as one in Python gets, because it shares the cores with what it measures."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

import aiohttp

from benchmarks.photos import Photo


class Client:
    """Submits and polls."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def label(self, photo: Photo, *, query: str = "") -> dict[str, Any]:
        """Send one photo and return its result document; waits while the queue is full."""
        headers = {"Content-Type": "image/jpeg", "X-Filename": photo.name}
        while True:
            async with self._session.post(
                f"{self._url}/predict_async{query}", data=photo.data, headers=headers
            ) as response:
                if response.status == 503:
                    await asyncio.sleep(0.05)
                    continue
                ticket = await response.json()
                break
        while True:
            async with self._session.get(f"{self._url}{ticket['status_url']}?wait=30") as response:
                document: dict[str, Any] = await response.json()
                if response.status == 200:
                    return document


def open_session() -> aiohttp.ClientSession:
    """Return a session without a bound on connections."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), trust_env=False)


async def label_all(
    url: str, photos: Sequence[Photo], *, query: str = "", concurrency: int = 64
) -> list[dict[str, Any]]:
    """Return the result documents of all photos, in order."""
    documents: dict[int, dict[str, Any]] = {}
    todo = iter(list(enumerate(photos)))

    async def work(client: Client) -> None:
        for index, photo in todo:
            documents[index] = await client.label(photo, query=query)

    async with open_session() as session:
        client = Client(session, url)
        await asyncio.gather(*(work(client) for _ in range(concurrency)))
    return [documents[index] for index in range(len(photos))]


async def throughput(url: str, photos: Sequence[Photo], *, rounds: int) -> float:
    """Return the photos per second that are submitted, computed and polled."""
    await label_all(url, photos[:32], query="?cache=false")
    started = time.perf_counter()
    await label_all(url, list(photos) * rounds, query="?cache=false")
    return len(photos) * rounds / (time.perf_counter() - started)


def predictions(documents: Iterable[dict[str, Any]]) -> list[str]:
    """Return the best label of each document; an empty one where a job failed."""
    return [
        document["result"]["predictions"][0] if document["result"] else "" for document in documents
    ]
