"""Two runs beside each other as a chart: how far each percentile moved, and how surely. Pure."""

from load_tester.report.specs import Chart, make_spec
from load_tester.report.theme import JsonObject

_ROW_PX = 34


def draw_comparison(report: JsonObject) -> Chart | None:
    """Return the ratio of each percentile with its interval, or None without a comparison."""
    comparison = report["comparison"]
    if comparison is None:
        return None
    rows = [row for row in comparison["rows"] if _is_drawn(row)]
    if not rows:
        return None
    y = {"field": "name", "type": "nominal", "title": None, "sort": [row["name"] for row in rows]}
    x = {"type": "quantitative", "scale": {"zero": False}, "axis": {"grid": True}}
    colour = {"datum": "", "scale": {"range": "category"}, "legend": None}
    layers: list[JsonObject] = [
        {
            "mark": {"type": "rule", "strokeWidth": 3},
            "encoding": {
                "y": y,
                "x": {**x, "field": "low", "title": "This run divided by the other"},
                "x2": {"field": "high"},
                "color": colour,
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
            "encoding": {
                "y": y,
                "x": {**x, "field": "change"},
                "color": colour,
                "tooltip": [
                    {"field": "name", "title": "Latency"},
                    *(
                        {"field": field, "title": title, "format": ".3f"}
                        for field, title in (("change", "Ratio"), ("low", "From"), ("high", "To"))
                    ),
                ],
            },
        },
        {"mark": {"type": "rule", "strokeDash": [4, 4]}, "encoding": {"x": {"datum": 1}}},
    ]
    spec = make_spec("comparison.rows", layers=layers, height=_ROW_PX * len(rows))
    spec["transform"] = [{"filter": "datum.kind === 'latency' && isValid(datum.low)"}]
    told = ", ".join(f"{row['name']} {row['change']:.2f}" for row in rows)
    finding = (
        f"In all: {comparison['finding']}. Latencies as a ratio, below 1 is faster: {told}. "
        "Where an interval holds 1, no difference is shown."
    )
    return Chart(name="comparison", title="Comparison of two runs", finding=finding, spec=spec)


def _is_drawn(row: JsonObject) -> bool:
    return row["kind"] == "latency" and row["low"] is not None
