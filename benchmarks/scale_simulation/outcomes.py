"""What the real and the simulated service did with the same images."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.open_loop import percentile
from benchmarks.scale_simulation.arrivals import Arrival
from benchmarks.scale_simulation.service import Image, Layout, ServiceCosts, SimulatedService

SEEDS: Final = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """One rate: throughput in images a second, the rest in seconds."""

    per_second: float
    p50_s: float
    p95_s: float
    refused: int


@dataclass(frozen=True, slots=True)
class Compared:
    """One rate, really and in the simulation."""

    kind: str
    """Of the replicas."""
    load: float
    """Images that are offered, as a part of the most that the service does."""
    repeat_share: float
    """Part of them that were sent before."""
    real: Outcome
    simulated: Outcome

    @property
    def throughput_error(self) -> float:
        """Return by which part the simulated throughput is off."""
        return abs(self.simulated.per_second / self.real.per_second - 1)

    @property
    def p95_error(self) -> float:
        """Return by which part the simulated 95th percentile is off."""
        return abs(self.simulated.p95_s / self.real.p95_s - 1)


def summarize(images: Sequence[Image], *, seconds: float) -> Outcome:
    """Return the figures of one rate; what ended later than the offer is no throughput of it."""
    taken = [image.latency_s for image in images if image.latency_s is not None]
    ended = sum(i.latency_s is not None and i.due_s + i.latency_s <= seconds for i in images)
    return Outcome(
        per_second=ended / seconds,
        p50_s=percentile(taken, 50),
        p95_s=percentile(taken, 95),
        refused=len(images) - len(taken),
    )


def simulate(
    costs: ServiceCosts, layout: Layout, arrivals: Sequence[Arrival], *, seconds: float
) -> Outcome:
    """Return the median of several simulations of the same arrivals."""
    outcomes = [
        summarize(SimulatedService(costs, layout, seed=seed).run(arrivals), seconds=seconds)
        for seed in range(SEEDS)
    ]
    return Outcome(
        per_second=median(outcome.per_second for outcome in outcomes),
        p50_s=median(outcome.p50_s for outcome in outcomes),
        p95_s=median(outcome.p95_s for outcome in outcomes),
        refused=round(median(outcome.refused for outcome in outcomes)),
    )
