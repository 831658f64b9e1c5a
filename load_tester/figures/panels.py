"""One benchmark: the same images asked for with growing counts, a point for each. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from load_tester.figures.latency import measure_spread, samples_needed
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Run

P95 = 95.0
_SUM, _COUNT = "_sum", "_count"


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkPoint:
    """What came of asking for `count` images; durations in seconds, None where not known.

    Latencies run from the send to the result, of the images that ended ok. The service's own
    times are means over what it computed: answers from its cache are left out.
    """

    count: int
    concurrency: int
    ok: int
    attempts: int
    mean_latency_s: float | None
    p95_latency_s: float | None
    """Only with enough samples; the longest latency is told either way."""
    max_latency_s: float | None
    throughput_per_s: float | None
    """Images that ended ok, by the time from the first send to the last result."""
    queue_s: float | None
    processing_s: float | None
    total_s: float | None
    """Both together."""
    from_cache: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Why attempts did not end ok, as `outcome:reason`, the most frequent first."""
    metrics_s: Mapping[str, float] = field(default_factory=dict)
    """Mean of each of the service's own duration metrics over this time, by its name."""

    @property
    def success(self) -> float:
        """The part of the images asked for that ended ok."""
        return self.ok / self.count


def measure_point(
    run: Run, *, count: int, concurrency: int, metrics_s: Mapping[str, float]
) -> BenchmarkPoint:
    """Return the figures of one run that asked for `count` images, `concurrency` at once.

    `metrics_s` is what `average_metrics` says of that time.
    """
    done = [record for record in run.records if record.outcome is Outcome.OK]
    computed = [record for record in done if not record.from_cache]
    latency = measure_spread(record.from_send_s for record in done)
    span_s = _measure_span(run.records)
    return BenchmarkPoint(
        count=count,
        concurrency=concurrency,
        ok=len(done),
        attempts=run.uploads,
        mean_latency_s=_mean([record.from_send_s for record in done]),
        p95_latency_s=latency.p95_s,
        max_latency_s=latency.max_s,
        throughput_per_s=len(done) / span_s if span_s else None,
        queue_s=_mean([record.queue_time_s for record in computed]),
        processing_s=_mean([record.processing_time_s for record in computed]),
        total_s=_mean([_add(record) for record in computed]),
        from_cache=len(done) - len(computed),
        reasons=_count_reasons(run.records),
        metrics_s=metrics_s,
    )


def average_metrics(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return the mean, in seconds, of what each duration metric observed in between.

    Both are samples by name. A duration metric is a Prometheus histogram or summary:
    `<name>_seconds_sum` over `<name>_seconds_count`, as differences, so that what happened
    before does not count.
    """
    means = {}
    for key in sorted(after):
        name = key.removesuffix(_SUM)
        if name == key or not name.endswith("_seconds"):
            continue
        observed = after.get(name + _COUNT, 0.0) - before.get(name + _COUNT, 0.0)
        if observed > 0:
            means[name] = (after[key] - before.get(key, 0.0)) / observed
    return means


def tell_p95_needs() -> str:
    """Return the sentence on why a 95th percentile may be missing."""
    return f"a 95th percentile needs {samples_needed(P95)} images"


def _measure_span(records: Sequence[ImageRecord]) -> float | None:
    """Return the seconds from the first send to the last result, None without a result."""
    sent_s = [record.sent_s for record in records if record.sent_s is not None]
    seen_s = [record.seen_s for record in records if record.seen_s is not None]
    return max(seen_s) - min(sent_s) if sent_s and seen_s else None


def _count_reasons(records: Sequence[ImageRecord]) -> dict[str, int]:
    reasons = Counter(f"{record.outcome}:{record.reason}" for record in records if record.reason)
    return dict(reasons.most_common())


def _add(record: ImageRecord) -> float | None:
    if record.queue_time_s is None or record.processing_time_s is None:
        return None
    return record.queue_time_s + record.processing_time_s


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
