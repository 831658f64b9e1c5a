"""Memory with a full cache, idle processor time, and one computation for many that ask."""

import asyncio
import time
from io import BytesIO
from pathlib import Path

import aiohttp
import uvloop
from PIL import Image

from benchmarks.client import Client, label_all, open_session
from benchmarks.photos import Photo, load_photos
from benchmarks.report import Row, at_most
from benchmarks.service import running_service

CLIENTS = 100
RESULTS = 1000
IDLE_S = 20.0


def measure(data_dir: Path) -> list[Row]:
    """Return the figures of one freshly started service."""
    photos = load_photos()
    with running_service([], data_dir=data_dir) as service:
        time.sleep(3)
        before = service.cpu_s()
        time.sleep(IDLE_S)
        idle_percent = 100 * (service.cpu_s() - before) / IDLE_S
        runs = uvloop.run(_ask_together(service.url, photos[0]))
        uvloop.run(label_all(service.url, _distinct(photos, RESULTS)))
        memory_mb = service.memory_mb()
    return [
        at_most("idle service, dispatcher and replicas: core", idle_percent, 2, unit=" %"),
        at_most(f"runs of the step for {CLIENTS} identical images at once", runs, 1),
        at_most(f"dispatcher with {RESULTS} cached results: resident", memory_mb, 150, unit=" MB"),
    ]


async def _ask_together(url: str, photo: Photo) -> float:
    """Return how often the step ran when many clients sent one new image at the same time."""
    async with open_session() as session:
        before = await _served(session, url)
        client = Client(session, url)
        await asyncio.gather(*(client.label(photo) for _ in range(CLIENTS)))
        return await _served(session, url) - before


async def _served(session: aiohttp.ClientSession, url: str) -> float:
    async with session.get(f"{url}/status") as response:
        return float(sum(replica["served"] for replica in (await response.json())["replicas"]))


def _distinct(photos: list[Photo], count: int) -> list[Photo]:
    """Return as many different files: each photo again and again with another comment."""
    result = []
    for number in range(count):
        photo = photos[number % len(photos)]
        if number < len(photos):
            result.append(photo)
            continue
        buffer = BytesIO()
        with Image.open(BytesIO(photo.data)) as image:
            image.convert("RGB").save(buffer, "JPEG", comment=str(number).encode())
        result.append(Photo(photo.name, buffer.getvalue(), photo.label))
    return result
