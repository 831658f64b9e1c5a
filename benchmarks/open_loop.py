"""Load that comes when it comes, whatever becomes of what came before."""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from benchmarks.client import open_session
from benchmarks.photos import load_photos
from benchmarks.scripted_steps import PIPELINE, POISON

_WAIT_S: Final = 30
_USUAL_BYTES: Final = 60_000


@dataclass
class Outcomes:
    """What became of the images sent."""

    sent: int = 0
    accepted: int = 0
    completed: int = 0
    completed_at: list[float] = field(default_factory=list)
    """Seconds since the start."""
    latencies: list[tuple[float, float]] = field(default_factory=list)
    """Of completed ones: when they were sent, and how long it took, in seconds."""
    refusals_s: list[float] = field(default_factory=list)
    """How long it took until a refusal was there."""
    without_retry_after: int = 0
    """Refusals that did not say when to come back."""
    poison_code: str = ""
    """Why the image that kills replicas failed."""
    errors: Counter[str] = field(default_factory=Counter)
    """What should not have happened, by kind."""

    def p99_s(self, *, after_s: float = 0.0, before_s: float = math.inf) -> float:
        """Return the 99th percentile of the latency of what was sent in this time."""
        return percentile([took for sent, took in self.latencies if after_s <= sent < before_s], 99)

    def longest_s(self) -> float:
        """Return the longest latency."""
        return max((took for _, took in self.latencies), default=math.nan)

    def goodput(self, *, after_s: float, before_s: float) -> float:
        """Return the images completed in a second, in this time."""
        count = sum(after_s <= at < before_s for at in self.completed_at)
        return count / (before_s - after_s)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile by the nearest-rank method; NaN of nothing."""
    ordered = sorted(values) or [math.nan]
    return ordered[-(-percent * len(ordered) // 100) - 1]


class OpenLoop:
    """Sends images at a rate, at random intervals (a Poisson process)."""

    def __init__(self, url: str, *, seed: int = 1) -> None:
        self._url = url
        self._dice = random.Random(seed)
        photos = [photo.data for photo in load_photos()]
        self._photo = min(photos, key=lambda photo: abs(len(photo) - _USUAL_BYTES))
        self._number = 0
        self._outcomes = Outcomes()
        self._started = 0.0

    async def run(
        self, phases: Sequence[tuple[float, float]], *, poison_after_s: float | None = None
    ) -> Outcomes:
        """Send at one rate after the other and wait for all answers.

        Args:
            phases: images per second and for how many seconds.
            poison_after_s: when to send an image that kills replicas, beside the others.
        """
        self._outcomes = outcomes = Outcomes()
        async with open_session() as session, asyncio.TaskGroup() as tasks:
            self._started = due = time.perf_counter()
            if poison_after_s is not None:
                tasks.create_task(self._send_poison(session, poison_after_s))
            for rate, seconds in phases:
                ends = due + seconds
                while (due := due + self._dice.expovariate(rate)) < ends:
                    await asyncio.sleep(due - time.perf_counter())
                    outcomes.sent += 1
                    tasks.create_task(self._send(session, due))
                due = ends
        return outcomes

    async def _send(self, session: aiohttp.ClientSession, due: float) -> None:
        self._number += 1
        image = self._photo + b"%d" % self._number  # what follows the picture makes it another
        try:
            await self._submit(session, image, due)
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            self._outcomes.errors[type(exc).__name__] += 1

    async def _send_poison(self, session: aiohttp.ClientSession, after_s: float) -> None:
        await asyncio.sleep(after_s)
        address = f"{self._url}/predict?pipeline={PIPELINE}"
        async with session.post(
            address, data=self._photo + POISON, headers={"Content-Type": "image/jpeg"}
        ) as response:
            document = await response.json()
        while document["status"] in ("queued", "processing"):
            poll = f"{self._url}{document['status_url']}?wait={_WAIT_S}"
            async with session.get(poll) as response:
                document = await response.json()
        self._outcomes.poison_code = (document.get("error") or {}).get("code", "")

    async def _submit(self, session: aiohttp.ClientSession, image: bytes, due: float) -> None:
        outcomes = self._outcomes
        headers = {"Content-Type": "image/jpeg"}
        address = f"{self._url}/predict_async?pipeline={PIPELINE}&cache=false"
        async with session.post(address, data=image, headers=headers) as response:
            document = await response.json(content_type=None)
            if response.status == 503:
                outcomes.refusals_s.append(time.perf_counter() - due)
                outcomes.without_retry_after += not response.headers.get("Retry-After")
                return
            if response.status != 202:
                outcomes.errors[f"{response.status} {document.get('code')}"] += 1
                return
        outcomes.accepted += 1
        while True:
            poll = f"{self._url}{document['status_url']}?wait={_WAIT_S}"
            async with session.get(poll) as response:
                result = await response.json()
                if response.status == 200:
                    break
        now = time.perf_counter()
        if result["status"] != "completed":
            outcomes.errors[f"{result['status']} {(result.get('error') or {}).get('code')}"] += 1
            return
        outcomes.completed += 1
        outcomes.completed_at.append(now - self._started)
        outcomes.latencies.append((due - self._started, now - due))
