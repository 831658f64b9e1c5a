"""What the generator and the service said of themselves, over time. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from load_tester.run import GeneratorSample, Run, ServiceSample

MOST_ROWS: Final = 600
MOST_METRICS: Final = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthRow:
    """The worst of some consecutive samples; `at_s` is the end of the last of them."""

    at_s: float
    cpu: float
    machine_cpu: float
    stolen: float
    waited: float
    loop_lag_s: float
    rss_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """The generator's own condition over the whole run."""

    cores: int
    mean_cpu: float
    worst: HealthRow
    """The worst of each figure, whenever that was."""
    rows: list[HealthRow]


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricPoint:
    """One figure of the service at one moment; `name` says what was made of a counter."""

    at_s: float
    name: str
    value: float


def sum_up_health(run: Run) -> Health | None:
    """Return how the generator fared, or None when it was not watched."""
    samples = run.generator
    if not samples:
        return None
    stride = -(-len(samples) // MOST_ROWS)
    groups = [samples[begin : begin + stride] for begin in range(0, len(samples), stride)]
    return Health(
        cores=samples[-1].cores,
        mean_cpu=sum(sample.cpu for sample in samples) / len(samples),
        worst=_find_worst(samples),
        rows=[_find_worst(group) for group in groups],
    )


def list_metrics(run: Run) -> list[MetricPoint]:
    """Return the service's figures as series that can be drawn.

    Counters (`…_total`) become rates a second; a pair `…_sum` and `…_count` becomes the mean over
    the time since the sample before; buckets and moments of creation are left out; everything
    else is taken as it is. A figure that never moves from zero is left out, too.
    """
    names = sorted({name for sample in run.service for name in sample.values})
    points: list[MetricPoint] = []
    drawn = 0
    for name in names:
        series = _make_series(name, run.service)
        if drawn < MOST_METRICS and any(point.value for point in series):
            points += _thin(series)
            drawn += 1
    return points


def _find_worst(samples: Sequence[GeneratorSample]) -> HealthRow:
    return HealthRow(
        at_s=samples[-1].at_s,
        cpu=max(sample.cpu for sample in samples),
        machine_cpu=max(sample.machine_cpu for sample in samples),
        stolen=max(sample.stolen for sample in samples),
        waited=max(sample.waited for sample in samples),
        loop_lag_s=max(sample.loop_lag_s for sample in samples),
        rss_bytes=max(sample.rss_bytes for sample in samples),
    )


def _make_series(name: str, samples: Sequence[ServiceSample]) -> list[MetricPoint]:
    if name.endswith(("_bucket", "_created", "_count")):
        return []
    if name.endswith("_total"):
        rates = _compare(samples, lambda a, b: (b.at_s - a.at_s, _grow(a, b, name)))
        return [MetricPoint(at_s=at_s, name=f"{name} a second", value=v) for at_s, v in rates]
    if name.endswith("_sum"):
        count = f"{name.removesuffix('_sum')}_count"
        means = _compare(samples, lambda a, b: (_grow(a, b, count), _grow(a, b, name)))
        mean_name = f"{name.removesuffix('_sum')} mean"
        return [MetricPoint(at_s=at_s, name=mean_name, value=v) for at_s, v in means]
    return [
        MetricPoint(at_s=sample.at_s, name=name, value=sample.values[name])
        for sample in samples
        if name in sample.values
    ]


def _compare(
    samples: Sequence[ServiceSample],
    measure: Callable[[ServiceSample, ServiceSample], tuple[float, float]],
) -> Iterable[tuple[float, float]]:
    """Yield a moment and a quotient for each two neighbours; not where the service restarted."""
    for before, after in pairwise(samples):
        below, above = measure(before, after)
        if below > 0 and above >= 0:
            yield after.at_s, above / below


def _grow(before: ServiceSample, after: ServiceSample, name: str) -> float:
    return after.values.get(name, 0.0) - before.values.get(name, 0.0)


def _thin(series: Sequence[MetricPoint]) -> Sequence[MetricPoint]:
    """Return every nth point, so that a long run can still be drawn; the last is kept."""
    stride = -(-len(series) // MOST_ROWS)
    return series[::-1][::stride][::-1]
