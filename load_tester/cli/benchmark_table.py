"""The figures of a benchmark as text. Pure."""

from collections.abc import Sequence

from load_tester.cli.tables import align_table, tell_ms
from load_tester.figures.panels import BenchmarkPoint
from load_tester.report.panels import describe_points
from load_tester.report.printable import join_lines


def render_points(points: Sequence[BenchmarkPoint], *, title: str) -> str:
    """Return the table of all counts as text, the service's own metrics below it."""
    head = (
        *("images", "at once", "ok", "mean ms", "p95 ms", "max ms"),
        *("images/s", "queue ms", "processing ms", "total ms"),
    )
    rows = [
        (
            str(point.count),
            str(point.concurrency),
            f"{point.success:.0%}",
            *(tell_ms(value) for value in _latencies(point)),
            "n/a" if point.throughput_per_s is None else f"{point.throughput_per_s:.2f}",
            *(tell_ms(value) for value in (point.queue_s, point.processing_s, point.total_s)),
        )
        for point in points
    ]
    notes = [f"  {line}" for line in describe_points(points)]
    lines = ["", title, *align_table(head, rows), *notes, *_metric_lines(points)]
    return join_lines(lines)


def _latencies(point: BenchmarkPoint) -> tuple[float | None, ...]:
    return (point.mean_latency_s, point.p95_latency_s, point.max_latency_s)


def _metric_lines(points: Sequence[BenchmarkPoint]) -> list[str]:
    """Return a line for each duration metric of the service: its mean for each count."""
    names = sorted({name for point in points for name in point.metrics_s})
    return [
        f"  {name}: {', '.join(tell_ms(point.metrics_s.get(name)) for point in points)} ms"
        for name in names
    ]
