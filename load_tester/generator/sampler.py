"""Watches the load tester and its machine during a run, twice a second.

The samples are taken on a thread of their own, so that the sending path pays for nothing but one
short timer that tells how late the event loop is. Figures that a system does not tell are 0:
stolen time and pressure are Linux's.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from load_tester.pacing import now_s
from load_tester.run import GeneratorSample

EVERY_S = 0.5
# The loop is asked this often how late it is; a stall is longer than that or hurts nobody.
PROBE_S = 0.05
PRESSURE_FILE = Path("/proc/pressure/cpu")
# Of the thread that runs the event loop: time on a core and time ready without one, in ns.
SCHEDULING_FILE = Path("/proc/self/schedstat")


@dataclass(frozen=True, kw_only=True, slots=True)
class Meters:
    """What the system's meters stand at; only differences mean anything, all in seconds."""

    at_s: float
    own_s: float
    busy_s: float
    stolen_s: float
    total_s: float
    waited_s: float
    starved_s: float


class Sampler:
    """Takes samples while it is entered; to be entered where the event loop runs."""

    def __init__(self, *, in_flight: Callable[[], int], every_s: float = EVERY_S) -> None:
        self._in_flight = in_flight
        self._every_s = every_s
        self._process = psutil.Process()
        self._cores = psutil.cpu_count() or 1
        self._samples: list[GeneratorSample] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sampler", daemon=True)
        self._lag_s = 0.0
        self._due_s = 0.0
        self._probe: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._schedule_probe()
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._probe is not None:
            self._probe.cancel()
        self._ended.set()
        await asyncio.to_thread(self._thread.join)

    def collect(self, start_s: float) -> tuple[GeneratorSample, ...]:
        """Return the samples of a run that began at `start_s` on the run's clock.

        What ended before that is left out.
        """
        return tuple(
            replace(sample, at_s=sample.at_s - start_s)
            for sample in self._samples
            if sample.at_s > start_s
        )

    def _schedule_probe(self) -> None:
        self._due_s = now_s() + PROBE_S
        self._probe = asyncio.get_running_loop().call_later(PROBE_S, self._look)

    def _look(self) -> None:
        self._lag_s = max(self._lag_s, now_s() - self._due_s)
        self._schedule_probe()

    def _watch(self) -> None:
        before = read_meters()
        while not self._ended.wait(self._every_s):
            before = self._sample(before)
        self._sample(before)

    def _sample(self, before: Meters) -> Meters:
        after = read_meters()
        # A loop that stands still has not told yet; how late it is already counts.
        lag_s = max(self._lag_s, after.at_s - self._due_s)
        self._lag_s = 0.0
        self._samples.append(
            measure(
                before,
                after,
                loop_lag_s=max(0.0, lag_s),
                rss_bytes=self._process.memory_info().rss,
                in_flight=self._in_flight(),
                cores=self._cores,
                free_bytes=psutil.virtual_memory().available,
            )
        )
        return after


def read_meters() -> Meters:
    """Read the system's meters."""
    machine = psutil.cpu_times()
    # What a guest uses is counted as its user's already.
    fields = {name: value for name, value in machine._asdict().items() if "guest" not in name}
    stolen_s = fields.get("steal", 0.0)
    idle_s = fields["idle"] + fields.get("iowait", 0.0)
    total_s = sum(fields.values())
    return Meters(
        at_s=now_s(),
        own_s=time.process_time(),
        busy_s=total_s - idle_s - stolen_s,
        stolen_s=stolen_s,
        total_s=total_s,
        waited_s=read_pressure_s(),
        starved_s=read_starved_s(),
    )


def measure(
    before: Meters,
    after: Meters,
    *,
    loop_lag_s: float,
    rss_bytes: int,
    in_flight: int,
    cores: int,
    free_bytes: int,
) -> GeneratorSample:
    """Return what happened between two readings, as parts of the time between them. Pure."""
    passed_s = max(after.at_s - before.at_s, 1e-9)
    # The machine's own sum over all cores; what it counts in ticks may lag behind the clock.
    machine_s = max(after.total_s - before.total_s, passed_s * cores / 2)
    return GeneratorSample(
        at_s=after.at_s,
        cpu=(after.own_s - before.own_s) / passed_s,
        machine_cpu=_part(after.busy_s - before.busy_s, machine_s),
        stolen=_part(after.stolen_s - before.stolen_s, machine_s),
        waited=_part(after.waited_s - before.waited_s, passed_s),
        starved=_part(after.starved_s - before.starved_s, passed_s),
        loop_lag_s=loop_lag_s,
        rss_bytes=rss_bytes,
        in_flight=in_flight,
        cores=cores,
        free_bytes=free_bytes,
    )


def read_pressure_s() -> float:
    """Return for how long something that could run has waited for a core, in seconds."""
    try:
        first_line = PRESSURE_FILE.read_text(encoding="ascii").partition("\n")[0]
        return float(first_line.rpartition("total=")[2]) / 1e6
    except (OSError, ValueError):
        return 0.0


def read_starved_s() -> float:
    """Return for how long the event loop's thread was ready to run and had no core, in seconds."""
    try:
        return float(SCHEDULING_FILE.read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _part(of_s: float, whole_s: float) -> float:
    return min(1.0, max(0.0, of_s / whole_s))
