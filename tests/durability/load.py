"""Clients in an open loop: they send when it is time, whether or not the service is there.

A try without an answer is repeated, as a real client would do; with its Idempotency-Key, if it has
one. Each job is polled to its end, and every answer is written to the log.
"""

import asyncio
import hashlib
import itertools
import json
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import aiohttp

from tests.durability.client_log import ACCEPTED, ClientLog, Order, Sight, Try
from tests.durability.oracle import noise

PAUSE_S = 0.4
"""Between two tries of one client that was not told when to come back."""
_PATIENCE_S = 2.0
"""Longer than this nobody waits, whatever the service asks for."""
_POLL_S = 10
_TIMEOUT = aiohttp.ClientTimeout(total=30)
_POLLERS = 64


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What the clients send."""

    seed: int
    rate_per_s: float = 40.0
    sizes_bytes: tuple[int, int] = (5_000, 200_000)
    """The smallest and the largest image; most are small."""
    share_repeated: float = 0.3
    """Of the images, those that were sent before."""
    share_keyed: float = 0.1
    share_painted: float = 0.2
    """Those for which a picture is made."""
    share_hooked: float = 0.3
    """Those whose client wants to be told, when there is a ``webhook_url``."""
    webhook_url: str | None = None


def orders(plan: LoadPlan) -> Iterator[Order]:
    """Yield orders without end; the same for the same plan."""
    dice = random.Random(plan.seed)
    smallest, largest = plan.sizes_bytes
    images: list[tuple[int, int]] = []
    for number in itertools.count():
        if images and dice.random() < plan.share_repeated:
            image = dice.choice(images[-50:])
        else:
            size_bytes = round(smallest * (largest / smallest) ** (dice.random() ** 2))
            image = (plan.seed + number, size_bytes)
            images.append(image)
        is_painted = dice.random() < plan.share_painted
        yield Order(
            number=number,
            image_seed=image[0],
            size_bytes=image[1],
            pipeline="painter" if is_painted else "oracle",
            params={} if is_painted else {"top_k": dice.randint(1, 3)},
            key=f"key-{plan.seed}-{number}" if dice.random() < plan.share_keyed else None,
            webhook_url=plan.webhook_url if dice.random() < plan.share_hooked else None,
        )


class Clients:
    """Sends orders and keeps the log; to be used as a context manager."""

    def __init__(self, url: str | Sequence[str], log: ClientLog) -> None:
        """Send to a service.

        Args:
            url: of its dispatcher, or of several that take turns.
            log: takes note of everything.
        """
        self.log = log
        self._urls = itertools.cycle([url] if isinstance(url, str) else url)
        self._session: aiohttp.ClientSession | None = None
        self._polling = asyncio.Semaphore(_POLLERS)

    async def __aenter__(self) -> "Clients":
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def run(self, plan: LoadPlan, stop: asyncio.Event) -> None:
        """Send until told to stop, then wait until every job has been seen to end."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as clients:
            for order in orders(plan):
                due_in_s = began + order.number / plan.rate_per_s - time.monotonic()
                if await _is_set_within(stop, due_in_s):
                    break
                clients.create_task(self.follow(order))

    async def follow(self, order: Order) -> None:
        """Send one order until it is accepted, then poll until it ends."""
        job_id = await self.send(order)
        if job_id is not None:
            await self.look(job_id, wait_s=_POLL_S)

    async def send(self, order: Order) -> str | None:
        """Send an order until there is an answer; return the job's id, None when refused."""
        while True:
            one = await self.try_once(order)
            if one.status is not None and one.status != 503:
                return one.job_id
            await asyncio.sleep(min(one.retry_after_s or PAUSE_S, _PATIENCE_S))

    async def try_once(self, order: Order) -> Try:
        """Send an order and return what came of it."""
        one = await self._post(order)
        self.log.tries.append(one)
        return one

    async def look(self, job_id: str, *, wait_s: int = 0, until_ended: bool = True) -> Sight:
        """Poll a job, as long as the service is not there or the job has not ended."""
        while True:
            async with self._polling:
                sight = await self._get(job_id, wait_s=wait_s)
            is_told = sight is not None and sight.status != 503  # what is away may come back
            if sight is not None and is_told and (sight.status != 202 or not until_ended):
                self.log.sights.append(sight)
                return sight
            await asyncio.sleep(PAUSE_S)

    async def look_again(self) -> None:
        """Look at every job that was accepted."""
        async with asyncio.TaskGroup() as tasks:
            for job_id in self.log.accepted():
                tasks.create_task(self.look(job_id, wait_s=_POLL_S))

    async def unfinished(self) -> str:
        """Say what has not ended, and how it is."""
        seen = {sight.job_id for sight in self.log.sights}
        left = [job_id for job_id in self.log.accepted() if job_id not in seen]
        looks = [self.look(job_id, until_ended=False) for job_id in left[:10]]
        documents = [(one.job_id, one.document) for one in await asyncio.gather(*looks)]
        refused = sum(one.status == 503 for one in self.log.tries)
        return f"{len(left)} jobs have not ended, {refused} tries were refused: {documents}"

    async def _post(self, order: Order) -> Try:
        sent_at = time.time()
        try:
            status, document, retry_after_s = await self._ask_post(order)
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as exc:
            was_refused = isinstance(exc, aiohttp.ClientConnectorError)
            return Try(
                order, sent_at, time.time(), None, was_refused=was_refused, failure=repr(exc)
            )
        job_id = document.get("request_id") if status in ACCEPTED else None
        return Try(
            order,
            sent_at,
            time.time(),
            status,
            job_id=job_id,
            code=document.get("code", ""),
            retry_after_s=retry_after_s,
        )

    async def _ask_post(self, order: Order) -> tuple[int, dict[str, Any], float]:
        """Return status, document, and after how many seconds to come back, if that was said."""
        assert self._session is not None
        query = {"pipeline": order.pipeline, "params": json.dumps({"0": dict(order.params)})}
        if order.webhook_url is not None:
            query["webhook_url"] = order.webhook_url
        headers = {"Content-Type": "image/png"}
        if order.key is not None:
            headers["Idempotency-Key"] = order.key
        image = _image(order.image_seed, order.size_bytes)
        async with self._session.post(
            f"{next(self._urls)}/predict_async", params=query, data=image, headers=headers
        ) as response:
            document = await response.json(content_type=None)
            return response.status, document, float(response.headers.get("Retry-After", 0))

    async def _get(self, job_id: str, *, wait_s: int) -> Sight | None:
        assert self._session is not None
        try:
            async with self._session.get(
                f"{next(self._urls)}/result/{job_id}", params={"wait": str(wait_s)}
            ) as response:
                document = await response.json(content_type=None)
                picture = None
                if response.status == 200 and "url" in (document["result"] or {}):
                    picture = await self._fetch(document["result"]["url"])
                return Sight(job_id, time.time(), response.status, document, picture)
        except aiohttp.ClientConnectorError:
            return None
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError):
            self.log.broken_polls += 1
            return None

    async def _fetch(self, path: str) -> str:
        assert self._session is not None
        async with self._session.get(f"{next(self._urls)}{path}") as response:
            body = await response.read()
            return hashlib.sha256(body).hexdigest() if response.status == 200 else "none"


@asynccontextmanager
async def under_load(
    clients: Clients, plan: LoadPlan, *, ends_within_s: float = 60.0
) -> AsyncIterator[None]:
    """Send load until the end of the block, then wait until every job has been seen to end."""
    stop = asyncio.Event()
    load = asyncio.create_task(clients.run(plan, stop))
    try:
        yield
        stop.set()
        async with asyncio.timeout(ends_within_s):
            await load
    except TimeoutError as exc:
        raise AssertionError(f"after {ends_within_s} s: {await clients.unfinished()}") from exc
    finally:
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)


@lru_cache(maxsize=256)
def _image(image_seed: int, size_bytes: int) -> bytes:
    return noise(image_seed, size_bytes)


async def _is_set_within(event: asyncio.Event, timeout_s: float) -> bool:
    if timeout_s <= 0:
        await asyncio.sleep(0)
        return event.is_set()
    try:
        async with asyncio.timeout(timeout_s):
            return await event.wait()
    except TimeoutError:
        return False
