"""What it costs the service that people look: throughput with ten pages open, and with none.

A browser on the same two cores would cost more than the service does for it, however it is niced.
So what ten real pages ask is counted first, and then asked again, as often, by a lean client.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import aiohttp
import uvloop

from benchmarks.client import throughput
from benchmarks.photos import Photo, load_photos
from benchmarks.report import Row, at_least
from benchmarks.service import PROJECT, Service, running_service

TURNS: Final = 7
ROUNDS: Final = 4
PAGES: Final = 10
IDLE_S: Final = 15.0


@dataclass
class _Looking:
    """What the pages ask, in requests a second by path."""

    rates: Mapping[str, float] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """All of them."""
        return sum(self.rates.values())


def measure(data_dir: Path) -> list[Row]:
    """Return what is left of the throughput, each turn beside one in which nobody looks."""
    photos = load_photos()
    alone: list[float] = []
    watched: list[float] = []
    flags = ["--replicas", "2", "--cache-size", "0"]
    with running_service(flags, data_dir=data_dir) as service:
        with _ten_pages(service) as idle:
            began_s = service.cpu_s()
            time.sleep(IDLE_S)
            idle_share = (service.cpu_s() - began_s) / IDLE_S
        for turn in range(TURNS):
            for is_watched in (turn % 2 == 0, turn % 2 == 1):  # neither always has the first turn
                rates = idle.rates if is_watched else {}
                per_second = uvloop.run(_throughput(service, photos, rates))
                (watched if is_watched else alone).append(per_second)
        with _ten_pages(service) as beside:
            in_browser = uvloop.run(_throughput(service, photos, {}))
    shares = sorted(mine / other for mine, other in zip(watched, alone, strict=True))
    return [
        Row("nobody looks", f"{median(alone):.0f} img/s"),
        Row(f"as {PAGES} pages ask that show Live", f"{median(watched):.0f} img/s"),
        Row("  they ask a second", f"{idle.per_second:.1f}"),
        Row("  processor of the idle service meanwhile", f"{idle_share:.1%} of a core"),
        at_least(
            f"share that is left (turns {shares[0]:.2f} to {shares[-1]:.2f})", median(shares), 0.97
        ),
        Row("with the browser on the same cores", f"{in_browser:.0f} img/s"),
        Row("  it asks a second", f"{beside.per_second:.1f}"),
    ]


async def _throughput(
    service: Service, photos: Sequence[Photo], rates: Mapping[str, float]
) -> float:
    """Return images a second while somebody asks for these paths."""
    async with aiohttp.ClientSession(service.url) as session:
        asking = [asyncio.create_task(_ask(session, *one)) for one in rates.items()]
        per_second = await throughput(service.url, photos, rounds=ROUNDS)
        for task in asking:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    return per_second


async def _ask(session: aiohttp.ClientSession, path: str, rate: float) -> None:
    due = time.monotonic()
    while True:
        async with session.get(path) as answer:
            await answer.read()
        due += 1 / rate
        await asyncio.sleep(due - time.monotonic())


@contextmanager
def _ten_pages(service: Service) -> Iterator[_Looking]:
    command = [sys.executable, "-m", "benchmarks.open_pages", service.url, str(PAGES)]
    looking = _Looking()
    with subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline().strip() != "open":
            raise SystemExit("the pages did not open: ./setup.sh servers installs the browser")
        began = time.monotonic()
        yield looking
        took_s = time.monotonic() - began
        process.stdin.close()
        asked = json.loads(process.stdout.readline())
        looking.rates = {path: count / took_s for path, count in asked.items()}
