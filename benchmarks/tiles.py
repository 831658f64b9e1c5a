"""A photo of 24 megapixels: whole or cut into two chunks for two replicas; OpenMP threads."""

from pathlib import Path
from statistics import median

import uvloop

from benchmarks.client import open_session
from benchmarks.large_photo import large_photo
from benchmarks.operations_client import fetch_first, fresh, process, time_to_picture
from benchmarks.photos import Photo, load_photos
from benchmarks.report import Row, at_least
from benchmarks.service import running_service

TURNS = 7


def measure(data_dir: Path) -> list[Row]:
    """Return times and speed-ups, decoding and encoding included."""
    photo = Photo("large.jpg", large_photo(load_photos()), None)
    flags = ["--operation-replicas", "2", "--replicas", "1"]
    with running_service(flags, data_dir=data_dir) as service:
        whole, tiled = uvloop.run(_take_turns(service.url, photo))
        timings = uvloop.run(_threads(service.url, photo))
    speed_ups = [one / two for one, two in zip(whole, tiled, strict=True)]
    kernels = ", ".join(f"{t['threads']}: {1000 * t['kernel_s']:.1f} ms" for t in timings)
    return [
        Row("sobel of 24 megapixels, tiles=1", f"{1000 * median(whole):.0f} ms"),
        Row("sobel of 24 megapixels, tiles=2", f"{1000 * median(tiled):.0f} ms"),
        at_least("tiles=2 on 2 replicas: speed-up", median(speed_ups), 1.4),
        Row("grayscale kernel by OpenMP threads", kernels),
        at_least("grayscale with 2 threads: speed-up", timings[1]["speed_up"], 1.6),
    ]


async def _take_turns(url: str, photo: Photo) -> tuple[list[float], list[float]]:
    whole, tiled = [], []
    async with open_session() as session:
        for turn in range(TURNS + 1):
            one = await time_to_picture(session, url, fresh(photo), [["sobel", {"tiles": 1}]])
            two = await time_to_picture(session, url, fresh(photo), [["sobel", {"tiles": 2}]])
            if turn:  # the first one warms everything up
                whole.append(one)
                tiled.append(two)
    return whole, tiled


async def _threads(url: str, photo: Photo) -> list[dict[str, float]]:
    async with open_session() as session:
        operations = [["grayscale", {"threads": [1, 2], "passes": 3, "repeats": 9}]]
        batch = await process(session, url, [fresh(photo)], operations)
        document, _ = await fetch_first(session, url, batch)
        timings: list[dict[str, float]] = document["result"]["timings"]
        return timings
