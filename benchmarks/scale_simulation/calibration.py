"""What an image costs the real service, measured where nothing is simulated.

At hardly any load (what one image waits for), at the most the service does (what a batch takes),
and beside it (what a commit takes): at no rate at which the simulation is checked.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Final

import aiohttp

from benchmarks.client import label_all, open_session
from benchmarks.photos import Photo
from benchmarks.scale_simulation.arrivals import Phase, draw_arrivals
from benchmarks.scale_simulation.offering import Offer
from benchmarks.scale_simulation.replicas import ReplicaCosts
from benchmarks.scale_simulation.service import Layout, ServiceCosts
from benchmarks.service import Service
from dispatcher.blobs.local import LocalBlobStore
from dispatcher.storage.space import Space
from dispatcher.storage.writer import Writer
from step_app.contract.frames import BatchItem, encode_batch

ALONE_S: Final = 10.0
"""How long there is hardly any load."""
ALONE_SHARE: Final = 0.06
"""Of the most that the service does."""
COMMITS: Final = 100
REQUESTS: Final = 60
_PAUSE_S: Final = 0.01
_RANK: Final = 0.9
"""What takes longer than this part of the others is taken for an interruption by the machine."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What images took while many were sent."""

    per_second: float
    dispatcher_s: float
    """Processor time of the dispatcher for an image."""
    client_s: float
    """The same of the client."""
    replicas_s: float
    """The same of the dispatcher's child processes."""


async def measure_commits(folder: Path, image: bytes) -> tuple[float, ...]:
    """Return how long it takes, in seconds, until an image and its record are safe."""
    writer = Writer(folder, beside=folder / "blobs")
    space = Space(folder, limit_bytes=0, reserve_percent=1, used_bytes=lambda: 0)
    blobs = LocalBlobStore(folder / "blobs", writer=writer, space=space)
    await blobs.start()
    taken = []
    for number in range(COMMITS):
        began = time.perf_counter()
        await blobs.put(f"{number:064x}", image)
        await writer.submit(lambda _: None)
        taken.append(time.perf_counter() - began)
        await asyncio.sleep(_PAUSE_S)
    await blobs.close()
    await writer.close()
    return tuple(taken)


async def measure_saturated(
    service: Service, photos: Sequence[Photo], *, query: str, images: int
) -> Taken:
    """Return what the service does for clients that always have an image more."""
    many = [photos[number % len(photos)] for number in range(images)]
    await label_all(service.url, many[:64], query=f"?{query}")
    meter = _Meter(service)
    await label_all(service.url, many, query=f"?{query}")
    return meter.read(images)


async def measure_alone(service: Service, offer: Offer, most: float) -> tuple[list[float], Taken]:
    """Return latencies of images that come when hardly anything else is there, in seconds.

    Args:
        service: to measure.
        offer: sends to it.
        most: images a second that the service does at most.
    """
    arrivals = draw_arrivals([Phase(ALONE_SHARE * most, ALONE_S)], seed=1)
    meter = _Meter(service)
    images = await offer.run(arrivals)
    taken = meter.read(len(images))
    return [image.latency_s for image in images if image.latency_s is not None], taken


class _Meter:
    """Tells processor times since it was made."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._began = time.perf_counter()
        self._before = self._read()

    def read(self, images: int) -> Taken:
        """Return them for each of so many images."""
        seconds = time.perf_counter() - self._began
        spent = (
            (now - before) / images for now, before in zip(self._read(), self._before, strict=True)
        )
        return Taken(images / seconds, *spent)

    def _read(self) -> tuple[float, float, float]:
        dispatcher_s = float(sum(self._service.process.cpu_times()[:2]))
        return dispatcher_s, time.process_time(), self._service.cpu_s() - dispatcher_s


async def measure_request_s(url: str, image: bytes, *, item_s: float) -> float:
    """Return what a request takes a scripted replica beside its images, in seconds.

    Two requests of one image are on the road all the time, so that it never waits for one.

    Args:
        url: of the replica, with which nobody else speaks.
        image: to send.
        item_s: what it takes for an image.
    """
    body = b"".join(encode_batch([BatchItem(id="1", filename="", image=image)]))

    async def ask(session: aiohttp.ClientSession, count: int) -> None:
        for _ in range(count):
            async with session.post(f"{url}/process_batch", data=body) as response:
                await response.read()

    async with open_session() as session:
        await ask(session, 3)
        began = time.perf_counter()
        await asyncio.gather(*(ask(session, REQUESTS // 2) for _ in range(2)))
        return max(0.0, (time.perf_counter() - began) / REQUESTS - item_s)


def scripted_costs(
    saturated: Taken, alone_s: Sequence[float], commits_s: Sequence[float], replica: ReplicaCosts
) -> ServiceCosts:
    """Return the costs of a service whose replicas take a known time for each image.

    Args:
        saturated: the most it does.
        alone_s: latencies at hardly any load.
        commits_s: durations of commits.
        replica: what each replica takes.
    """
    known = ServiceCosts(
        replica=replica,
        dispatcher_s=saturated.dispatcher_s,
        client_s=saturated.client_s,
        commits_s=usual(commits_s),
    )
    return with_others(known, alone_s)


def classifier_costs(
    saturated: Taken,
    alone: Taken,
    alone_s: Sequence[float],
    commits_s: Sequence[float],
    layout: Layout,
) -> ServiceCosts:
    """Return the costs of a service whose replicas compute: a batch takes a + b times its size.

    Both come from processor times, which other processes of the machine hardly change: alone an
    image is a batch of its own; saturated, batches are full.

    Args:
        saturated: the most it does.
        alone: the same at hardly any load.
        alone_s: latencies then.
        commits_s: durations of commits.
        layout: of the service.
    """
    full = layout.max_batch_size
    request_s = (alone.replicas_s - saturated.replicas_s) * full / (full - 1)
    request_s = min(max(0.0, request_s), alone.replicas_s)
    known = ServiceCosts(
        replica=ReplicaCosts(
            request_s=request_s,
            item_s=max(alone.replicas_s, saturated.replicas_s) - request_s,
            is_greedy=True,
            needs_core=True,
        ),
        dispatcher_s=saturated.dispatcher_s,
        client_s=saturated.client_s,
        commits_s=usual(commits_s),
    )
    return with_others(known, alone_s)


def with_others(known: ServiceCosts, alone_s: Sequence[float]) -> ServiceCosts:
    """Return costs with what an image waits for beside all that is known."""
    others = tuple(max(0.0, taken - known.least_s()) for taken in alone_s)
    return ServiceCosts(
        replica=known.replica,
        dispatcher_s=known.dispatcher_s,
        client_s=known.client_s,
        commits_s=known.commits_s,
        others_s=others,
    )


def usual(values: Sequence[float]) -> tuple[float, ...]:
    """Return durations without the longest."""
    return tuple(sorted(values)[: max(1, int(_RANK * len(values)))])


def describe(costs: ServiceCosts) -> str:
    """Return costs in one line."""
    parts = {
        "dispatcher": costs.dispatcher_s,
        "client": costs.client_s,
        "commit": median(costs.commits_s) if costs.commits_s else 0.0,
        "other": fmean(costs.others_s) if costs.others_s else 0.0,
        "request": costs.replica.request_s,
        "image": costs.replica.item_s,
    }
    return "ms: " + ", ".join(f"{name} {1000 * value:.2f}" for name, value in parts.items())
