"""Five times as much as the service can do: what it refuses, and what becomes of the rest.

The replicas are scripted: four that take 40 ms for each image, so that the capacity is known and
the processor is left to the dispatcher and to the load. ``OVERLOAD_S`` in the environment tells
for how many seconds it goes on.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.open_loop import OpenLoop, Outcomes, percentile
from benchmarks.report import Row, at_least, at_most
from benchmarks.scripted_steps import STEP, scripted_steps
from benchmarks.service import Service, running_service

REPLICAS: Final = 4
SERVICE_S: Final = 0.04
CAPACITY: Final = REPLICAS / SERVICE_S
PEAK_S: Final = 15.0
USUAL_S: Final = 20.0
AFTER_S: Final = 20.0
SETTLE_S: Final = 20.0
"""A burst fills the queue first; what counts as overload is what comes after."""
RECOVERY_S: Final = 5.0
MEMORY_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Measured:
    usual: Outcomes
    peak: Outcomes
    overload: Outcomes
    memory_mb: list[float]
    seconds: float


def measure(data_dir: Path) -> list[Row]:
    """Return what an overload does to those who are refused and to those who are not."""
    seconds = float(os.environ.get("OVERLOAD_S", "120"))
    flags = ["--replicas", "0", "--operation-replicas", "0"]
    with (
        scripted_steps(data_dir, replicas=REPLICAS, service_s=SERVICE_S),
        running_service(flags, data_dir=data_dir, steps=[STEP]) as service,
    ):
        measured = uvloop.run(_run(service, seconds))
    return _rows(measured)


async def _run(service: Service, seconds: float) -> _Measured:
    load = OpenLoop(service.url)
    await load.run([(0.5 * CAPACITY, 5.0)])
    usual = await load.run([(0.8 * CAPACITY, USUAL_S)])
    # A little more than it can do, refusals cost next to nothing: this is the most it does.
    peak = await load.run([(1.1 * CAPACITY, PEAK_S)])
    await asyncio.sleep(1.0)
    memory: list[float] = []
    watching = asyncio.create_task(_watch_memory(service, memory))
    overload = await load.run([(5 * CAPACITY, seconds), (0.8 * CAPACITY, AFTER_S)])
    watching.cancel()
    return _Measured(usual, peak, overload, memory, seconds)


async def _watch_memory(service: Service, memory: list[float]) -> None:
    while True:
        memory.append(service.memory_mb())
        await asyncio.sleep(MEMORY_EVERY_S)


def _rows(measured: _Measured) -> list[Row]:
    outcomes, seconds = measured.overload, measured.seconds
    peak = measured.peak.goodput(after_s=3.0, before_s=PEAK_S)
    goodput = outcomes.goodput(after_s=SETTLE_S, before_s=seconds)
    usual_s = measured.usual.p99_s(after_s=3.0)
    burst_s = outcomes.p99_s(before_s=SETTLE_S)
    accepted_s = outcomes.p99_s(after_s=SETTLE_S, before_s=seconds)
    recovered_s = outcomes.p99_s(after_s=seconds + RECOVERY_S)
    early, late = _halves(measured.memory_mb[int(SETTLE_S) : int(seconds)])
    unknown = outcomes.sent - outcomes.accepted - len(outcomes.refusals_s)
    return [
        Row("sent in the overload", f"{outcomes.sent} images"),
        Row("accepted, refused", f"{outcomes.accepted}, {len(outcomes.refusals_s)}"),
        at_most("neither accepted nor refused", unknown, 0),
        at_most("accepted and not completed", outcomes.accepted - outcomes.completed, 0),
        at_most("refused without Retry-After", outcomes.without_retry_after, 0),
        at_most("refusals: p99", 1000 * percentile(outcomes.refusals_s, 99), 100, unit=" ms"),
        Row("most it does", f"{peak:.0f} img/s"),
        at_least("completed in the overload / most it does", goodput / peak, 0.9),
        Row("accepted at 80 % load: p99", f"{1000 * usual_s:.0f} ms"),
        Row("accepted in the first seconds: p99", f"{1000 * burst_s:.0f} ms"),
        at_most("accepted in the overload: p99 / that at 80 % load", accepted_s / usual_s, 2.0),
        at_most("5 s after it: p99 / that at 80 % load", recovered_s / usual_s, 1.25),
        at_most("memory in its second half - first half", late - early, 10, unit=" MB"),
    ]


def _halves(values: list[float]) -> tuple[float, float]:
    """Return the largest value of each half."""
    middle = max(1, len(values) // 2)
    return max(values[:middle], default=0.0), max(values[middle:], default=0.0)
