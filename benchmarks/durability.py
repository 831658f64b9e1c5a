"""What it costs to keep every job on disk: the durable queue beside the one in memory."""

import asyncio
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.client import Client, open_session, throughput
from benchmarks.photos import Photo, load_photos
from benchmarks.report import Row, at_least, at_most
from benchmarks.service import running_service

TURNS = 3
ROUNDS = 4
LOADS = (0.25, 0.5)
"""Parts of the throughput at which latency is measured; the target is for the first."""
PACED_S = 15.0
FLAGS = ["--replicas", "2", "--cache-size", "0"]


def measure(data_dir: Path) -> list[Row]:
    """Return the share of the throughput that is left, and the latency that is added."""
    photos = load_photos()
    shares, rates = [], []
    added: dict[float, list[float]] = {load: [] for load in LOADS}
    for _ in range(TURNS):
        rate: dict[str, float] = {}
        late: dict[tuple[str, float], float] = {}
        for queue in ("memory", "sqlite"):
            flags = [*FLAGS, "--queue", queue]
            with running_service(flags, data_dir=data_dir) as service:
                rate[queue] = uvloop.run(throughput(service.url, photos, rounds=ROUNDS))
                for load in LOADS:
                    pace = load * rate["memory"]
                    late[queue, load] = uvloop.run(_p99_s(service.url, photos, per_second=pace))
        rates.append(rate["sqlite"])
        shares.append(rate["sqlite"] / rate["memory"])
        for load in LOADS:
            added[load].append((late["sqlite", load] - late["memory", load]) * 1000)
    turns = ", ".join(f"{share:.2f}" for share in shares)
    return [
        Row("durable queue: submit and poll", f"{median(rates):.0f} img/s"),
        at_least(f"share of the memory queue's (turns {turns})", median(shares), 0.8),
        at_most(f"added to p99 at {LOADS[0]:.0%} load", median(added[LOADS[0]]), 5.0, unit=" ms"),
        Row(f"added to p99 at {LOADS[1]:.0%} load", f"{median(added[LOADS[1]]):.1f} ms"),
    ]


async def _p99_s(url: str, photos: Sequence[Photo], *, per_second: float) -> float:
    """Return the 99th percentile from the intended start to having the result."""
    started = time.perf_counter()
    taken: list[float] = []

    async def send(client: Client, photo: Photo, intended: float) -> None:
        await client.label(photo, query="?cache=false")
        taken.append(time.perf_counter() - intended)

    async with open_session() as session, asyncio.TaskGroup() as tasks:
        client = Client(session, url)
        for number, photo in enumerate(islice(cycle(photos), int(PACED_S * per_second))):
            intended = started + number / per_second
            await asyncio.sleep(max(0.0, intended - time.perf_counter()))
            tasks.create_task(send(client, photo, intended))
    return sorted(taken)[int(0.99 * len(taken))]
