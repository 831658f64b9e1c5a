"""The charts of what was sent and what became of it. Pure."""

from typing import Final

from load_tester.report.numbers import Unit, write_number
from load_tester.report.specs import (
    Chart,
    Colours,
    Series,
    draw_hover,
    draw_lines,
    make_spec,
    reach_end,
    scale_value,
    time_axis,
)
from load_tester.report.theme import JsonObject

RATES: Final = (
    Series("target_per_s", "Target"),
    Series("sent_per_s", "Sent"),
    Series("completed_per_s", "Completed"),
    Series("failed_per_s", "Not ok"),
)
# What was sent lies around what was completed, so that both are seen where they are the same.
_RATE_MARKS: Final[dict[str, JsonObject]] = {
    "Target": {"type": "area", "opacity": 0.25},
    "Sent": {"type": "line", "strokeWidth": 4, "opacity": 0.45},
    "Completed": {"type": "line"},
    "Not ok": {"type": "line"},
}
COUNTED: Final = "Counted while it ran (L)"
RECORDED: Final = "From the records"
COMPUTED: Final = "Rate of sends times mean time (λ W)"


def draw_rates(report: JsonObject) -> Chart:
    """Return what was asked for, sent and completed in each second."""
    shown = RATES[0 if report["fidelity"] else 1 :]
    colours = Colours(
        "volume", tuple(one.label for one in RATES), tuple(one.label for one in shown)
    )
    x = {**time_axis(report["run"]["length_s"]), "field": "edge_s"}
    y = {"title": "Images per second", "stack": None, "scale": {"zero": True}}
    layers = [
        {
            "mark": {"interpolate": "step-after", **_RATE_MARKS[one.label]},
            "encoding": {
                "x": x,
                "y": {**y, "field": one.field, "type": "quantitative"},
                "color": colours.pick(one.label),
            },
        }
        for one in shown
    ]
    spec = make_spec("seconds", layers=[*layers, draw_hover(x, shown)])
    factor = 1 / report["width_s"]
    spec["transform"] = [
        *(scale_value(one.field.removesuffix("_per_s"), factor, name=one.field) for one in shown),
        *reach_end(report["seconds"][-1]["at_s"], report["width_s"]),
    ]
    counts = report["counts"]
    finding = (
        f"{counts['scheduled']:,} images asked for, {counts['sent']:,} sent, "
        f"{counts['ok']:,} completed, {counts['sent'] - counts['ok']:,} sent ones not ok."
    )
    return Chart(name="rates", title="Target, sent and completed", finding=finding, spec=spec)


def draw_flight(report: JsonObject) -> Chart | None:
    """Return the images under way over time: counted, and by Little's law."""
    flight = report["flight"]
    if flight is None:
        return None
    measured = Series("sampled", COUNTED)
    if flight["sampled"] is None:
        measured = Series("recorded", RECORDED)
    series = [measured, Series("computed", COMPUTED)]
    x = {**time_axis(report["run"]["length_s"]), "field": "middle_s"}
    lines = draw_lines(series, x=x, y={"title": "Images under way"}, colours="pair")
    spec = make_spec("flight.rows", layers=[*lines, draw_hover(x, series)])
    spec["transform"] = [{"calculate": f"datum.at_s + {report['window_s'] / 2}", "as": "middle_s"}]
    told = "not sampled" if flight["sampled"] is None else f"{flight['sampled']:.2f} counted"
    mean_ms = write_number(flight["mean_time_s"], Unit.MILLISECONDS)
    finding = (
        f"On average {told}; {flight['arrivals_per_s']:.2f} sends a second times "
        f"{mean_ms} ms make {flight['computed']:.2f}."
    )
    return Chart(name="in-flight", title="Images under way", finding=finding, spec=spec)


def draw_errors(report: JsonObject) -> Chart | None:
    """Return what did not end ok over time, by reason."""
    if not report["errors_over_time"]:
        return None
    names = list(dict.fromkeys(row["name"] for row in report["errors_over_time"]))
    width_s = report["width_s"]
    spec = make_spec(
        "errors_over_time",
        layers=[
            {
                "mark": {"type": "rect"},
                "encoding": {
                    "x": time_axis(report["run"]["length_s"]),
                    "x2": {"field": "end_s"},
                    "y": {
                        "field": "below",
                        "type": "quantitative",
                        "title": "Images not ok",
                        "axis": {"labelExpr": "datum.value % 1 ? '' : datum.label"},
                    },
                    "y2": {"field": "above"},
                    "tooltip": [
                        {"field": "name", "title": "How"},
                        {"field": "images", "title": "Images"},
                    ],
                    "color": {
                        "field": "name",
                        "type": "nominal",
                        "scale": {"domain": names, "range": "outcomes"},
                        "legend": {"symbolType": "square"},
                    },
                },
            }
        ],
    )
    spec["transform"] = [
        {"calculate": f"datum.at_s + {width_s}", "as": "end_s"},
        {
            "stack": "images",
            "groupby": ["at_s"],
            "sort": [{"field": "name"}],
            "as": ["below", "above"],
        },
    ]
    common = report["errors"][0]
    images = "1 image" if common["images"] == 1 else f"{common['images']:,} images"
    finding = f"Most often {common['outcome'].replace('_', ' ')} ({images})."
    return Chart(name="errors", title="What did not end ok", finding=finding, spec=spec)
