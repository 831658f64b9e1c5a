"""An overload ends with its cause: simulated, with the limit itself, in virtual time.

Two dispatchers share servers that stand still for a while and can then do about what comes anew.
Whoever was refused meanwhile comes again on top of that. What is given up has cost as much as what
is accepted, and costs more to be undone, so that with too many at a time nothing is accepted.
"""

import asyncio
import itertools
import random

import pytest

from dispatcher.errors import OverloadedError
from dispatcher.intake.concurrency_limit import ConcurrencyLimit
from dispatcher.intake.keeping import ACCEPT_S
from tests.virtual_time import run

_TICK_S = 0.01
_RATE_PER_S = 10.0
_OUTAGE_S = 4
_FOR_S = 44
_WINDOW_S = 4
_SOON = 2
"""After so many windows: within the ten seconds after which all has to be as before."""
_UNDO = 0.7
"""What it costs to undo an order, as part of what it costs to accept it."""
_COMES_AGAIN_S = 2.0
"""No client waits for longer, whatever it is asked."""


class BusyServers:
    """Do so many orders a second, all that they have been asked for at the same time."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._left: dict[asyncio.Future[None], float] = {}

    async def work(self, amount: float = 1.0) -> None:
        """Return when it is done; who does not wait for it has asked for it all the same."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left[done] = amount
        await done

    async def run(self) -> None:
        """Work until cancelled, once the outage is over."""
        await asyncio.sleep(_OUTAGE_S)
        while True:
            await asyncio.sleep(_TICK_S)
            share = self._per_s * _TICK_S / max(1, len(self._left))
            self._left = {done: left - share for done, left in self._left.items()}
            for done in [done for done, left in self._left.items() if left <= 0]:
                del self._left[done]
                if not done.done():
                    done.set_result(None)


class Simulation:
    """Clients, dispatchers and their servers."""

    def __init__(self, *, per_s: float, seed: int) -> None:
        loop = asyncio.get_running_loop()
        self.accepted_at: list[float] = []
        self.dice = random.Random(seed)
        self.servers = BusyServers(per_s)
        limits = [ConcurrencyLimit(clock=loop.time, jitter=self.dice) for _ in range(2)]
        self._turns = itertools.cycle(limits)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> list[float]:
        """Return when orders were accepted."""
        self._begin(self.servers.run())
        while asyncio.get_running_loop().time() < _FOR_S:
            self._begin(self._order())
            await asyncio.sleep(self.dice.expovariate(_RATE_PER_S))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return self.accepted_at

    def _begin(self, work: "asyncio._CoroutineLike[None]") -> None:
        self._tasks.add(asyncio.create_task(work))

    async def _order(self) -> None:
        """Come again until it is accepted."""
        after_s = 0.0
        while True:
            await asyncio.sleep(after_s)
            try:
                async with asyncio.timeout(ACCEPT_S), next(self._turns).taken():
                    await self.servers.work(self.dice.uniform(0.7, 1.3))
            except OverloadedError as exc:
                after_s = min(exc.retry_after_s or 0.0, _COMES_AGAIN_S)
            except TimeoutError:
                self._begin(self.servers.work(_UNDO))
                after_s = _COMES_AGAIN_S
            else:
                self.accepted_at.append(asyncio.get_running_loop().time())
                return


async def accepted_a_second(*, per_s: float, seed: int) -> list[float]:
    """Return how many orders a second were accepted, in one window after the other."""
    at = await Simulation(per_s=per_s, seed=seed).run()
    windows = range(_OUTAGE_S, _FOR_S, _WINDOW_S)
    return [sum(begin <= one < begin + _WINDOW_S for one in at) / _WINDOW_S for begin in windows]


@pytest.mark.parametrize("per_s", [6.0, 8.0, 10.5, 13.0])
@pytest.mark.parametrize("seed", range(3))
def test_servers_do_what_they_can_soon_after_they_are_back(per_s: float, seed: int) -> None:
    rates = run(accepted_a_second(per_s=per_s, seed=seed))
    can_be = min(per_s, _RATE_PER_S)
    assert min(rates[_SOON:]) > 0.5 * can_be
    assert sum(rates[_SOON:]) / len(rates[_SOON:]) > 0.9 * can_be
