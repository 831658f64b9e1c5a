"""Runs whose latencies are drawn from a known distribution, for tests of statistics."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from load_tester.record import Outcome
from load_tester.run import Run
from tests.load_tester.records import make_record, make_run

RATE_PER_S = 100


def draw_latencies(
    rng: np.random.Generator, count: int, *, sigma: float = 0.5, alike: float = 0.0
) -> NDArray[np.float64]:
    """Return lognormal latencies around 50 ms; neighbours have the correlation `alike`."""
    noise = rng.standard_normal(count)
    series = np.empty(count)
    series[0] = noise[0]
    for place in range(1, count):
        series[place] = alike * series[place - 1] + np.sqrt(1 - alike**2) * noise[place]
    return np.asarray(0.05 * np.exp(sigma * series))


def run_of(latencies_s: NDArray[np.float64], *, failed: set[int] | None = None, **more: Any) -> Run:
    """Return a run at 100 images a second with these latencies."""
    records = []
    for index, latency_s in enumerate(latencies_s.tolist()):
        at_s = index / RATE_PER_S
        outcome = Outcome.FAILED if failed and index in failed else Outcome.OK
        seen_s = at_s + latency_s if outcome is Outcome.OK else None
        records.append(
            make_record(index, outcome, sched_s=at_s, sent_s=at_s, accepted_s=at_s, seen_s=seen_s)
        )
    seconds = -(-len(records) // RATE_PER_S)
    return make_run(*records, **({"planned": (RATE_PER_S,) * seconds} | more))
