"""Cheap operations: one photo through three of them, and 256 files in one request."""

import asyncio
import math
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import cv2
import numpy as np
import uvloop

from benchmarks.client import open_session
from benchmarks.operations_client import Operations, fresh, process, time_to_picture
from benchmarks.photos import Photo, load_photos
from benchmarks.report import Row, at_least, at_most
from benchmarks.service import Service, running_service

CHAIN: Operations = [
    ["resize", "50%"],
    ["blur", {"method": "gaussian", "ksize": 5}],
    ["sobel", {"ksize": 3}],
]
ROUNDS = 60
FILES = 256
TURNS = 5
_FLAGS = ["--operation-replicas", "2", "--replicas", "1"]


def measure(data_dir: Path) -> list[Row]:
    """Return the figures of one service."""
    photos = load_photos()
    files = (photos * math.ceil(FILES / len(photos)))[:FILES]
    with running_service(_FLAGS, data_dir=data_dir) as service:
        chain = uvloop.run(_chain(service.url, photos))
        bare, served, grown_mb = _batches(service, files)
    shares = [mine / ceiling for mine, ceiling in zip(served, bare, strict=True)]
    return [
        *chain,
        Row(
            f"{FILES} files, bare loop, 2 processes, read and written",
            f"{median(bare):.0f} files/s",
        ),
        Row(f"{FILES} files in one POST /process", f"{median(served):.0f} files/s"),
        at_least(f"{FILES} files: share of the bare loop", median(shares), 0.7),
        at_most(f"dispatcher grew over {TURNS} such requests by", grown_mb, 20, unit=" MB"),
    ]


async def _chain(url: str, photos: Sequence[Photo]) -> list[Row]:
    """Compare one photo's way through the service with the same OpenCV calls, in turns."""
    bare, fused, hops = [], [], []
    async with open_session() as session:
        pipeline = await _pipeline_of(session, url)
        for turn in range(ROUNDS):
            photo = fresh(photos[turn % len(photos)])
            bare.append(_opencv(photo.data))
            fused.append(await time_to_picture(session, url, photo, CHAIN))
            hops.append(await _through_pipeline(session, url, photo, pipeline))
        async with session.delete(f"{url}/pipeline/{pipeline}") as response:
            response.raise_for_status()
    limit_ms = 1000 * 1.5 * median(bare) + 5
    return [
        Row("three OpenCV calls, one decode, one encode", f"{1000 * median(bare):.2f} ms"),
        at_most(
            "the same by POST /process, one replica", 1000 * median(fused), limit_ms, unit=" ms"
        ),
        Row("the same as a pipeline of three pools", f"{1000 * median(hops):.2f} ms"),
    ]


def _opencv(data: bytes) -> float:
    started = time.perf_counter()
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    height, width = pixels.shape[:2]
    pixels = cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(cv2.GaussianBlur(pixels, (5, 5), 0), cv2.COLOR_BGR2GRAY)
    dx = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    dy = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    cv2.imencode(".jpg", cv2.convertScaleAbs(cv2.magnitude(dx, dy)), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return time.perf_counter() - started


async def _pipeline_of(session: aiohttp.ClientSession, url: str) -> str:
    """Create the same chain as a pipeline whose steps have pools of their own; wait for it."""
    steps: list[dict[str, Any]] = [
        {"type": "resize", "params": {"size": "50%"}},
        {"type": "blur", "params": {"method": "gaussian", "ksize": 5}},
        {"type": "sobel", "params": {"ksize": 3}},
    ]
    async with session.post(f"{url}/pipeline", json={"steps": steps}) as response:
        pipeline = str((await response.json())["pipeline_id"])
    while True:
        async with session.get(f"{url}/pipeline/{pipeline}") as response:
            if (await response.json())["state"] == "ready":
                return pipeline
        await asyncio.sleep(0.1)


async def _through_pipeline(
    session: aiohttp.ClientSession, url: str, photo: Photo, pipeline: str
) -> float:
    started = time.perf_counter()
    headers = {"Content-Type": "image/jpeg"}
    async with session.post(
        f"{url}/predict?pipeline={pipeline}", data=photo.data, headers=headers
    ) as response:
        document = await response.json()
    async with session.get(f"{url}{document['result']['url']}") as response:
        response.raise_for_status()
        await response.read()
    return time.perf_counter() - started


def _batches(service: Service, files: Sequence[Photo]) -> tuple[list[float], list[float], float]:
    """Return files a second of both, in turns, and how much the dispatcher grew meanwhile."""
    bare, served = [], []
    uvloop.run(_batch(service.url, files))
    before_mb = service.memory_mb()
    for _ in range(TURNS):
        bare.append(_bare(files))
        served.append(uvloop.run(_batch(service.url, files)))
    return bare, served, service.memory_mb() - before_mb


async def _batch(url: str, files: Sequence[Photo]) -> float:
    async with open_session() as session:
        new_files = [fresh(photo) for photo in files]
        started = time.perf_counter()
        await process(session, url, new_files, CHAIN)
        return len(files) / (time.perf_counter() - started)


def _bare(files: Sequence[Photo]) -> float:
    """Return the files per second of what one would write instead of using a service.

    Two processes read files, run the same step code, and write the pictures.
    """
    context = get_context("spawn")
    barrier = context.Barrier(3)
    with tempfile.TemporaryDirectory(prefix="conveyor-bench-") as directory:
        paths = [Path(directory) / f"{number}.jpg" for number in range(len(files))]
        for path, photo in zip(paths, files, strict=True):
            path.write_bytes(photo.data)
        workers = [
            context.Process(target=_work, args=(paths[start::2], barrier)) for start in (0, 1)
        ]
        for worker in workers:
            worker.start()
        barrier.wait()
        started = time.perf_counter()
        barrier.wait()
        elapsed_s = time.perf_counter() - started
        for worker in workers:
            worker.join()
    return len(files) / elapsed_s


def _work(paths: Sequence[Path], barrier: Barrier) -> None:
    # Imported in the child: the parent measures, and loads no step.
    from step_app.settings import Settings, StepConfig  # noqa: PLC0415
    from step_app.steps.base import PictureOutput, StepRequest  # noqa: PLC0415
    from step_app.steps.registry import load_step  # noqa: PLC0415

    config = StepConfig(pipeline_id="bare", step_id="0", type="operations", params={})
    step = load_step(config, Settings(step_threads=1))
    request = {"operations": [["resize", {"size": "50%"}], *CHAIN[1:]]}
    step.run([step.prepare(StepRequest(paths[0].read_bytes(), request))])
    barrier.wait()
    for path in paths:
        (outcome,) = step.run([step.prepare(StepRequest(path.read_bytes(), request))])
        assert isinstance(outcome, PictureOutput)
        path.with_suffix(".made.jpg").write_bytes(outcome.reply.pictures[0].body)
    barrier.wait()
