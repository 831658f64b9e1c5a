"""Faults under load: what is done to a server, what clients saw, and that nothing was lost."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from tests.cluster.crew import Addresses, Crew, crew
from tests.cluster.outage import Outage, seen_outage
from tests.durability.checker import Verdict, check, read_executions
from tests.durability.client_log import ClientLog
from tests.durability.load import Clients, LoadPlan, orders, under_load

Harm = Callable[[Crew], Awaitable[None]]
"""Breaks something and returns once it is whole again."""
_CALM_S = 2.0
"""When nothing was refused for so long, it is over."""
_RATE_PER_S = 25.0
"""Images a second."""
_LOW_RATE_PER_S = 10.0
"""Likewise, of the short form, where the machine can do several times as much."""
_HEADROOM = 5.0
"""How many times that is. Who was refused during an outage comes again on top of the load, so a
machine that can hardly carry the load itself tells nothing of how soon a service is back."""
_ENOUGH = 100
"""So many images at least are accepted, however slow the machine is: fewer would show no loss."""
_SIZES_BYTES = (5_000, 50_000)
_SENDERS, _SENT_BY_EACH = 8, 6
_AFTER_S = 15.0
"""The load goes on for longer than the service may take to be itself again."""


async def suffer(
    harms: Mapping[str, Harm],
    *,
    folder: Path,
    addresses: Addresses,
    seed: int,
    is_long: bool,
    ends_within_s: float = 90.0,
) -> tuple[dict[str, Outage], Verdict]:
    """Break one thing after the other under load.

    Args:
        harms: what is done, by name.
        folder: for the dispatchers.
        addresses: of their servers.
        seed: of the load.
        is_long: whether as many images come as the crew can do.
        ends_within_s: how long jobs may take to end after the load, in seconds.

    Returns:
        What clients saw of each, and the verdict on every job.
    """
    log = ClientLog()
    # What was sent meanwhile comes at once when all is whole again, and may wait.
    flags, options = ("--queue-capacity", "2000"), ("--delay-s", "0.02")
    with crew(folder, addresses, flags=flags, options=options) as dispatchers:
        dispatchers.start()
        async with Clients(dispatchers.urls, log) as clients:
            capacity_per_s = await _capacity_per_s(clients, seed=seed)
            bearable_per_s = min(_LOW_RATE_PER_S, capacity_per_s / _HEADROOM)
            rate_per_s = _RATE_PER_S if is_long else bearable_per_s
            plan = LoadPlan(seed=seed, rate_per_s=rate_per_s, sizes_bytes=_SIZES_BYTES)
            async with under_load(clients, plan, ends_within_s=ends_within_s):
                await asyncio.sleep(_CALM_S)
                times = [await _apply(harm, dispatchers, log) for harm in harms.values()]
                while len(log.accepted()) <= _ENOUGH:  # noqa: ASYNC110 - a log has no event
                    await asyncio.sleep(_CALM_S)
            await clients.look_again()
        verdict = check(log, read_executions(*dispatchers.logs), may_half_refuse=True)
    outages = {
        name: seen_outage(log, began_at=began, back_at=back, until=calm, rate_per_s=rate_per_s)
        for name, (began, back, calm) in zip(harms, times, strict=True)
    }
    return outages, verdict


async def _capacity_per_s(clients: Clients, *, seed: int) -> float:
    """Return how many images a second are accepted of those who send as soon as they can."""
    # Images of their own, so that none is known already when the load comes.
    sent = orders(LoadPlan(seed=seed + 500_000, sizes_bytes=_SIZES_BYTES, share_keyed=0))

    async def send_some() -> None:
        for _ in range(_SENT_BY_EACH):
            await clients.send(next(sent))

    began = time.monotonic()
    async with asyncio.TaskGroup() as senders:
        for _ in range(_SENDERS):
            senders.create_task(send_some())
    return _SENDERS * _SENT_BY_EACH / (time.monotonic() - began)


async def _apply(harm: Harm, dispatchers: Crew, log: ClientLog) -> tuple[float, float, float]:
    """Do one harm; return when it began, when all was whole again, and when all was calm."""
    began_at = time.time()
    await harm(dispatchers)
    back_at = time.time()
    while time.time() - back_at < _AFTER_S:
        await asyncio.sleep(0.2)
        now = time.time()
        recent = [one for one in log.tries[-1000:] if one.answered_at > now - _CALM_S]
        if now - back_at > _CALM_S and recent and all(one.is_accepted for one in recent):
            break
    return began_at, back_at, time.time()


def findings(outages: Mapping[str, Outage]) -> dict[str, list[str]]:
    """Return what was promised otherwise, by the name of what was done."""
    return {name: seen for name, outage in outages.items() if (seen := outage.findings())}
