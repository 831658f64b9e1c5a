"""The charts of how long images took. Pure."""

from collections.abc import Iterable
from typing import Any, Final

from load_tester.report.numbers import Unit, write_number
from load_tester.report.specs import (
    Chart,
    Colours,
    Series,
    draw_hover,
    draw_lines,
    latency_axis,
    make_spec,
    scale_value,
    time_axis,
    to_ms,
)
from load_tester.report.theme import JsonObject

PERCENTILES: Final = (
    Series("p50_ms", "p50"),
    Series("p95_ms", "p95"),
    Series("p99_ms", "p99"),
    Series("max_ms", "Longest"),
)
FAILED: Final = "Not ok"
CORRECTED: Final = "From the intended send (corrected)"
UNCORRECTED: Final = "From the actual send (uncorrected)"
_MOST_POINTS: Final = 200
_TIER_LABELS: Final = (
    (0.301, "50 %"),
    (1.0, "90 %"),
    (1.301, "95 %"),
    (2.0, "99 %"),
    (2.301, "99.5 %"),
    (3.0, "99.9 %"),
    (4.0, "99.99 %"),
    (5.0, "99.999 %"),
    (6.0, "99.9999 %"),
)


def draw_windows(report: JsonObject) -> Chart | None:
    """Return the latency over time: a ribbon from p50 to p95, the tail, failures marked."""
    windows = report["windows"]
    shown = [one for one in PERCENTILES if _is_told(windows, one)]
    if not shown:
        return None
    colours = _colour_percentiles(*shown, Series("failed", FAILED))
    x = time_axis(report["run"]["length_s"])
    values = (row[one.field.replace("_ms", "_s")] for row in windows for one in shown)
    y = latency_axis("End to end", values)
    middle = {**x, "field": "middle_s"}
    top = "p95_ms" if _is_told(windows, PERCENTILES[1]) else "max_ms"
    ribbon = {
        "mark": {"type": "area", "opacity": 0.18},
        "encoding": {
            "x": middle,
            "y": {**y, "field": "ribbon_ms", "type": "quantitative"},
            "y2": {"field": top},
            "color": colours.pick("p50"),
        },
    }
    marks = {
        "transform": [{"filter": "datum.failed > 0"}],
        "mark": {"type": "point", "shape": "cross", "filled": True, "size": 50, "tooltip": True},
        "encoding": {
            "x": {**middle},
            "y": {"value": 4},
            "color": colours.pick(FAILED),
            "tooltip": [{"field": "failed", "title": "Images not ok"}],
        },
    }
    # A window between two that tell nothing is a point, not a line.
    points = {"size": 16} if len(windows) <= _MOST_POINTS else False
    lines = draw_lines(shown, x=middle, y=y, colours=colours, point=points)
    hover = draw_hover(middle, [*shown, Series("failed", FAILED)])
    spec = make_spec("windows", layers=[ribbon, *lines, marks, hover], height=300)
    spec["transform"] = [
        *to_ms("p50_s", "p95_s", "p99_s", "max_s"),
        {"calculate": f"datum.at_s + {report['window_s'] / 2}", "as": "middle_s"},
        {"calculate": f"isValid(datum.{top}) ? datum.p50_ms : null", "as": "ribbon_ms"},
    ]
    finding = (
        f"By windows of {report['window_s']} s, each with the images due in it. "
        + tell_spread(report["latency"]["end_to_end"])
    )
    return Chart(name="latency", title="Latency over time", finding=finding, spec=spec)


def draw_spectrum(report: JsonObject) -> Chart | None:
    """Return every percentile that the samples can tell, corrected and uncorrected."""
    points = report["spectrum"]
    if not points:
        return None
    series = [Series("corrected_ms", CORRECTED), Series("uncorrected_ms", UNCORRECTED)]
    shown = [one for one in series if _is_told(points, one)]
    values = (row[one.field.replace("_ms", "_s")] for row in points for one in shown)
    last = points[-1]["nines"]
    tiers = [(nines, label) for nines, label in _TIER_LABELS if nines <= last + 1e-9]
    x = {
        "field": "nines",
        "type": "quantitative",
        "title": "Percentile",
        "scale": {"domain": [0, last], "nice": False},
        "axis": {
            "grid": True,
            "values": [nines for nines, _ in tiers],
            "labelExpr": f"{dict(_name_tiers(tiers))}[format(datum.value, '.3f')]",
            "labelOverlap": "greedy",
        },
    }
    y = latency_axis("Latency", values)
    labels = tuple(one.label for one in series)
    colours = Colours("pair", labels, tuple(one.label for one in shown))
    lines = draw_lines(shown, x=x, y=y, colours=colours)
    if len(lines) > 1:  # dashed, so that both can be seen where they are the same
        lines[-1]["mark"]["strokeDash"] = [6, 4]
    hover = draw_hover({**x, "field": "percentile"}, shown)
    hover["encoding"]["x"] = x
    spec = make_spec("spectrum", layers=[*lines, hover])
    spec["transform"] = to_ms("corrected_s", "uncorrected_s")
    finding = f"Uncorrected {tell_spread(report['latency']['from_send'])}"
    if len(shown) > 1:
        finding = f"Corrected {tell_spread(report['latency']['end_to_end'])} {finding}"
    return Chart(name="spectrum", title="Latency spectrum", finding=finding, spec=spec)


def draw_offered(report: JsonObject) -> Chart | None:
    """Return the latency at each offered load, or None when only one load was offered."""
    rows = report["offered"]
    if len(rows) < 2:  # noqa: PLR2004  # nothing to compare
        return None
    shown = [one for one in PERCENTILES if one.label != "p99" and _is_told(rows, one)]
    values = (row[one.field.replace("_ms", "_s")] for row in rows for one in shown)
    x = {
        "field": "mean_per_s",
        "type": "quantitative",
        "title": "Offered load (images per second)",
        "scale": {"zero": False, "nice": True},
    }
    y = latency_axis("End to end", values)
    lines = draw_lines(shown, x=x, y=y, colours=_colour_percentiles(*shown), point=True)
    spec = make_spec("offered", layers=[*lines, draw_hover(x, shown)])
    spec["transform"] = to_ms("p50_s", "p95_s", "max_s")
    told = ", ".join(
        f"{write_number(row['p50_s'], Unit.MILLISECONDS)} ms at {row['mean_per_s']:.1f} a second"
        for row in (rows[0], rows[-1])
        if row["p50_s"] is not None
    )
    finding = f"The median is {told}." if told else "Too few images at any load for a median."
    return Chart(
        name="offered-load", title="Latency against offered load", finding=finding, spec=spec
    )


def draw_sizes(report: JsonObject) -> Chart | None:
    """Return the mean latency of each file over its size."""
    rows = report["files"]["rows"]
    known = [row for row in rows if row["size_bytes"] is not None and row["mean_s"] is not None]
    if len(known) < 3:  # noqa: PLR2004  # two points always lie on a line
        return None
    layer = {
        "mark": {"type": "point", "filled": True, "size": 50, "opacity": 0.7},
        "encoding": {
            "x": {
                "field": "size_kib",
                "type": "quantitative",
                "title": "Size of the file (KiB)",
                "scale": {"zero": False},
            },
            "y": {
                "field": "mean_ms",
                "type": "quantitative",
                "title": "Mean end to end (ms)",
                "scale": {"zero": True},
            },
            "color": {"datum": "", "scale": {"range": "category"}, "legend": None},
            "tooltip": [
                {"field": "file", "title": "File"},
                {"field": "mean_ms", "title": "Mean (ms)", "format": ",.4~r"},
                {"field": "size_kib", "title": "Size (KiB)", "format": ",.4~r"},
            ],
        },
    }
    spec = make_spec("files.rows", layers=[layer])
    spec["transform"] = [
        scale_value("mean_s", 1000, name="mean_ms"),
        scale_value("size_bytes", 1 / 1024, name="size_kib"),
        {"filter": "isValid(datum.mean_ms) && isValid(datum.size_kib)"},
    ]
    slow = known[0]
    finding = (
        f"The slowest file took {write_number(slow['mean_s'], Unit.MILLISECONDS)} ms on average "
        f"({write_number(slow['size_bytes'], Unit.BYTES)})."
    )
    return Chart(name="sizes", title="Latency by size of the file", finding=finding, spec=spec)


def tell_spread(spread: JsonObject) -> str:
    """Return the percentiles that are known as a sentence."""
    names = (("p50_s", "p50"), ("p95_s", "p95"), ("p99_s", "p99"), ("max_s", "longest"))
    told = [
        f"{name} {write_number(spread[field], Unit.MILLISECONDS)} ms"
        for field, name in names
        if spread[field] is not None
    ]
    return f"{', '.join(told)}." if told else "nothing was measured."


def _colour_percentiles(*shown: Series) -> Colours:
    """Return the colours of the percentiles: the same in every chart."""
    labels = (*(one.label for one in PERCENTILES), FAILED)
    return Colours("spread", labels, tuple(one.label for one in shown))


def _is_told(rows: Iterable[dict[str, Any]], series: Series) -> bool:
    return any(row[series.field.replace("_ms", "_s")] is not None for row in rows)


def _name_tiers(tiers: Iterable[tuple[float, str]]) -> Iterable[tuple[str, str]]:
    return ((f"{nines:.3f}", label) for nines, label in tiers)
