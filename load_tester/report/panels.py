"""The four panels of a benchmark: mean latency, 95th percentile, throughput, the server. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from load_tester.figures.panels import BenchmarkPoint, tell_p95_needs
from load_tester.report.theme import JsonObject

_SIZE: Final = {"width": 400, "height": 240}
MS: Final = 1e3
_APART: Final = {"scale": {"color": "independent", "strokeDash": "independent"}}
_DOT_SIZE: Final = 90
MOST_REASONS: Final = 4


def draw_panels(points: Sequence[BenchmarkPoint], *, title: str) -> JsonObject:
    """Return the picture of all four panels; `points` are those of growing counts."""
    mean, p95, throughput, server = (
        {**panel, **_SIZE}
        for panel in (
            draw_mean_latency(points),
            draw_p95_latency(points),
            draw_throughput(points),
            draw_server(points),
        )
    )
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {
            "text": title,
            "subtitle": describe_points(points),
            "offset": 16,
            "subtitlePadding": 6,
        },
        "vconcat": [
            {"hconcat": [mean, p95], "spacing": 48, "resolve": _APART},
            {"hconcat": [throughput, server], "spacing": 48, "resolve": _APART},
        ],
        "spacing": 32,
        "resolve": _APART,
    }


def describe_points(points: Sequence[BenchmarkPoint]) -> list[str]:
    """Return the lines that the panels cannot show: what succeeded, and what was not measured."""
    ok, count = sum(point.ok for point in points), sum(point.count for point in points)
    told = ", ".join(f"{point.success:.0%} of {point.count}" for point in points)
    lines = [f"Succeeded: {ok} of {count} ({told})" if count else "Nothing was asked for"]
    reasons: Counter[str] = Counter()
    for point in points:
        reasons.update(point.reasons)
    if reasons:
        lines.append(", ".join(f"{n} x {why}" for why, n in reasons.most_common(MOST_REASONS)))
    cached = sum(point.from_cache for point in points)
    if cached:
        lines.append(f"{cached} answers came from the cache: the server's times leave them out")
    return lines


def draw_mean_latency(points: Sequence[BenchmarkPoint]) -> JsonObject:
    """Return the panel of the mean time from the send to the result."""
    rows = [
        {"count": point.count, "value": MS * point.mean_latency_s}
        for point in points
        if point.mean_latency_s is not None
    ]
    return _draw_line({"text": "Average latency"}, points, rows, unit="latency (ms)")


def draw_p95_latency(points: Sequence[BenchmarkPoint]) -> JsonObject:
    """Return the panel of the 95th percentile, or of the longest where it cannot be known."""
    known = [point for point in points if point.p95_latency_s is not None]
    few = [point for point in points if point.p95_latency_s is None]
    panel = _draw_line(
        {"text": "95th percentile latency"},
        points,
        [{"count": point.count, "value": MS * (point.p95_latency_s or 0.0)} for point in known],
        unit="latency (ms)",
    )
    if few:
        panel["title"]["subtitle"] = f"open: the longest; {tell_p95_needs()}"
        panel["layer"].append(
            {
                "data": {
                    "values": [
                        {"count": point.count, "value": MS * point.max_latency_s}
                        for point in few
                        if point.max_latency_s is not None
                    ]
                },
                "mark": {"type": "point", "filled": False, "size": _DOT_SIZE, "strokeWidth": 2},
            }
        )
    return panel


def draw_throughput(points: Sequence[BenchmarkPoint]) -> JsonObject:
    """Return the panel of the images completed in a second."""
    rows = [
        {"count": point.count, "value": point.throughput_per_s}
        for point in points
        if point.throughput_per_s is not None
    ]
    return _draw_line({"text": "Throughput"}, points, rows, unit="images per second")


def draw_server(points: Sequence[BenchmarkPoint]) -> JsonObject:
    """Return the panel of the server's own times: as answers tell them, and as its metrics do."""
    rows = [row for point in points for row in _server_rows(point)]
    series = list(dict.fromkeys(str(row["series"]) for row in rows))
    if not rows:
        return {
            "title": "Server breakdown",
            "data": {"values": [{"text": "the service tells no times of its own"}]},
            "mark": {"type": "text"},
            "encoding": {"text": {"field": "text", "type": "nominal"}},
        }
    color = {
        "field": "series",
        "type": "nominal",
        "scale": {"domain": series, "range": "category"},
        "legend": {"columns": 2, "orient": "bottom"},
    }
    return {
        "title": "Server breakdown (averages)",
        "data": {"values": rows},
        "mark": {"type": "line", "point": {"size": 60, "filled": True}},
        "encoding": {
            "x": _counts(points),
            "y": _vertical("ms", "time (ms)"),
            "color": color,
            "strokeDash": {
                "field": "source",
                "type": "nominal",
                "scale": {"domain": ["answers", "metrics"], "range": [[1, 0], [6, 4]]},
                "legend": None,
            },
        },
    }


def _server_rows(point: BenchmarkPoint) -> list[JsonObject]:
    told = {"queue": point.queue_s, "processing": point.processing_s, "total": point.total_s}
    rows = [("answers", name, seconds) for name, seconds in told.items() if seconds is not None]
    rows += [("metrics", name, seconds) for name, seconds in point.metrics_s.items()]
    return [
        {"count": point.count, "source": source, "series": name, "ms": MS * seconds}
        for source, name, seconds in rows
    ]


def _draw_line(
    title: JsonObject, points: Sequence[BenchmarkPoint], rows: list[JsonObject], *, unit: str
) -> JsonObject:
    """Return a panel of one line; `rows` have a count and a value."""
    return {
        "title": title,
        "encoding": {
            "x": _counts(points),
            "y": _vertical("value", unit),
            # The first colour of whatever surrounding it is shown in.
            "color": {"datum": "", "scale": {"range": "category"}, "legend": None},
        },
        "layer": [
            {
                "data": {"values": rows},
                "mark": {"type": "line", "point": {"size": _DOT_SIZE, "filled": True}},
            }
        ],
    }


def _counts(points: Sequence[BenchmarkPoint]) -> JsonObject:
    """Return the encoding of the counts, evenly spaced: they often grow by factors."""
    return {
        "field": "count",
        "type": "ordinal",
        "title": "images asked for",
        "axis": {"labelAngle": 0},
        "scale": {"domain": [point.count for point in points]},
    }


def _vertical(field: str, title: str) -> JsonObject:
    return {"field": field, "type": "quantitative", "title": title, "scale": {"zero": True}}
