"""The charts of where the time goes. Pure."""

import json
from typing import Final

from load_tester.report.numbers import Unit, write_number
from load_tester.report.specs import TIME_TITLE, Chart, make_spec, scale_value, time_axis
from load_tester.report.theme import JsonObject

_ROW_PX: Final = 34


def draw_parts(report: JsonObject) -> Chart | None:
    """Return where the time goes, for all images and for the slowest."""
    rows = report["parts"]
    if not rows:
        return None
    names = [part["part"] for part in rows[0]["parts"]]
    spec: JsonObject = {
        "data": {"name": "parts"},
        "width": "container",
        "height": _ROW_PX * len(rows),
        "transform": [
            {"flatten": ["parts"]},
            {"calculate": "datum.parts.part", "as": "part"},
            {"calculate": "1000 * datum.parts.mean_s", "as": "mean_ms"},
            {"calculate": f"indexof({json.dumps(names)}, datum.part)", "as": "place"},
        ],
        "mark": {"type": "bar", "tooltip": True},
        "encoding": {
            "y": {
                "field": "group",
                "type": "nominal",
                "title": None,
                "sort": [row["group"] for row in rows],
            },
            "x": {
                "field": "mean_ms",
                "type": "quantitative",
                "title": "Mean time from the intended send (ms)",
                "axis": {"grid": True},
                # A rest that is a little below zero is no reason for as much room on the left.
                "scale": {"nice": False},
            },
            "color": _colour_parts(names),
            "order": {"field": "place"},
        },
    }
    longest = max(rows[0]["parts"], key=lambda part: part["mean_s"])
    share = longest["mean_s"] / rows[0]["total_s"] if rows[0]["total_s"] else 0.0
    finding = (
        f"The largest part is {longest['part']}: "
        f"{write_number(longest['mean_s'], Unit.MILLISECONDS)} ms of "
        f"{write_number(rows[0]['total_s'], Unit.MILLISECONDS)} ms on average ({share:.0%})."
    )
    return Chart(name="parts", title="Where the time goes", finding=finding, spec=spec)


def draw_parts_over_time(report: JsonObject) -> Chart | None:
    """Return the same parts over time."""
    rows = report["parts_over_time"]
    if len({row["at_s"] for row in rows}) < 2:  # noqa: PLR2004  # a line needs two points
        return None
    names = list(dict.fromkeys(row["part"] for row in rows))
    layer = {
        "mark": {"type": "rect"},
        "encoding": {
            "x": time_axis(report["run"]["length_s"]),
            "x2": {"field": "end_s"},
            "y": {"field": "below", "type": "quantitative", "title": "Mean time (ms)"},
            "y2": {"field": "above"},
            "color": _colour_parts(names),
            "tooltip": [
                {"field": "part", "title": "Part"},
                {"field": "mean_ms", "title": "Mean (ms)", "format": ",.4~r"},
                {"field": "at_s", "title": TIME_TITLE},
            ],
        },
    }
    spec = make_spec("parts_over_time", layers=[layer])
    spec["transform"] = [
        scale_value("mean_s", 1000, name="mean_ms"),
        {"calculate": f"indexof({json.dumps(names)}, datum.part)", "as": "place"},
        {"calculate": f"datum.at_s + {report['window_s']}", "as": "end_s"},
        {
            "stack": "mean_ms",
            "groupby": ["at_s"],
            "sort": [{"field": "place"}],
            "as": ["below", "above"],
        },
    ]
    finding = f"The mean of each part by windows of {report['window_s']} s."
    return Chart(
        name="parts-over-time", title="Where the time goes over time", finding=finding, spec=spec
    )


def _colour_parts(names: list[str]) -> JsonObject:
    return {
        "field": "part",
        "type": "nominal",
        "scale": {"domain": names, "range": "parts"},
        "legend": {"symbolType": "square"},
    }
