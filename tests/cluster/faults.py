"""Faults under load: what is done to a server, what clients saw, and that nothing was lost."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from tests.cluster.crew import Addresses, Crew, crew
from tests.cluster.outage import Outage, seen_outage
from tests.durability.checker import Verdict, check, read_executions
from tests.durability.client_log import ClientLog
from tests.durability.load import Clients, LoadPlan, under_load

Harm = Callable[[Crew], Awaitable[None]]
"""Breaks something and returns once it is whole again."""
_CALM_S = 2.0
"""When nothing was refused for so long, it is over."""
_RATE_PER_S = 25.0
"""Images a second."""
_LOW_RATE_PER_S = 10.0
"""Likewise, of the short form: its clients share the cores with a busier machine."""
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
    rate_per_s = _RATE_PER_S if is_long else _LOW_RATE_PER_S
    # What was sent meanwhile comes at once when all is whole again, and may wait.
    flags, options = ("--queue-capacity", "2000"), ("--delay-s", "0.02")
    with crew(folder, addresses, flags=flags, options=options) as dispatchers:
        dispatchers.start()
        async with Clients(dispatchers.urls, log) as clients:
            plan = LoadPlan(seed=seed, rate_per_s=rate_per_s, sizes_bytes=(5_000, 50_000))
            async with under_load(clients, plan, ends_within_s=ends_within_s):
                await asyncio.sleep(_CALM_S)
                times = [await _apply(harm, dispatchers, log) for harm in harms.values()]
            await clients.look_again()
        verdict = check(log, read_executions(*dispatchers.logs), may_half_refuse=True)
    outages = {
        name: seen_outage(log, began_at=began, back_at=back, until=calm, rate_per_s=rate_per_s)
        for name, (began, back, calm) in zip(harms, times, strict=True)
    }
    return outages, verdict


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
