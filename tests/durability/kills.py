"""Kills the dispatcher under load, again and again."""

import asyncio
import random
import time
from dataclasses import dataclass, field

from tests.dispatcher.waiting import until
from tests.durability.client_log import ClientLog
from tests.durability.dispatcher_process import POOLS, DispatcherProcess
from tests.durability.load import Clients, LoadPlan, under_load


@dataclass
class KillReport:
    """What was measured while it happened."""

    killed_at: list[float] = field(default_factory=list)
    """Unix seconds."""
    back_after_s: list[float] = field(default_factory=list)
    """From a kill to the first job that was accepted, for each that had the time."""

    def take_times(self, log: ClientLog) -> None:
        """Compute the pauses once the load has ended."""
        for number, moment in enumerate(self.killed_at):
            back_at = log.first_accepted_after(moment)
            later = self.killed_at[number + 1 : number + 2]
            if back_at is not None and (not later or back_at < later[0]):
                self.back_after_s.append(back_at - moment)


async def kill_under_load(
    dispatcher: DispatcherProcess, clients: Clients, plan: LoadPlan, *, kills: int, gap_s: float
) -> KillReport:
    """Kill and restart at random moments under load; return when every job has ended.

    Args:
        dispatcher: runs already.
        clients: send the load, and log it.
        plan: the load; its seed decides the moments, too.
        kills: how often.
        gap_s: how long a process lives at most, in seconds. Two of three live on from when they
            accept jobs again, the third from its start: it may die while it recovers.
    """
    dice = random.Random(plan.seed)
    report = KillReport()
    async with under_load(clients, plan):
        for number in range(kills):
            if number % 3:
                await until_accepting(clients.log, since=report.killed_at[-1])
            await asyncio.sleep(dice.uniform(0, gap_s))
            report.killed_at.append(time.time())
            dispatcher.kill()
            dispatcher.start()
        await asyncio.to_thread(dispatcher.wait_ready, pools=POOLS)
    report.take_times(clients.log)
    return report


async def until_accepting(log: ClientLog, *, since: float) -> None:
    """Return once a job has been accepted after a moment, Unix seconds."""
    await until(lambda: log.has_accepted_after(since), within_s=30)
