"""Made-up samples of the generator for tests of what is judged by them."""

from typing import Any

from load_tester.run import GeneratorSample


def make_sample(at_s: float, **changes: Any) -> GeneratorSample:
    """Half a second in which nothing was short."""
    known: dict[str, Any] = {
        "at_s": at_s,
        "cpu": 0.2,
        "machine_cpu": 0.3,
        "stolen": 0.0,
        "waited": 0.01,
        "loop_lag_s": 0.001,
        "rss_bytes": 60_000_000,
        "in_flight": 3,
        "cores": 2,
        "starved": 0.001,
        "free_bytes": 8 * 2**30,
    }
    return GeneratorSample(**(known | changes))


def make_samples(seconds: float, **changes: Any) -> tuple[GeneratorSample, ...]:
    """Samples twice a second, all alike."""
    return tuple(make_sample(n / 2, **changes) for n in range(1, int(2 * seconds) + 1))
