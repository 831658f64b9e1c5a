"""The charts of the generator and of the service's own figures. Pure."""

import json
from typing import Final

from load_tester.report.numbers import Unit, write_number
from load_tester.report.specs import (
    Chart,
    Series,
    draw_hover,
    draw_lines,
    make_spec,
    scale_value,
    time_axis,
)
from load_tester.report.theme import JsonObject

SHARES: Final = (
    Series("cpu_percent", "Load tester, of one core"),
    Series("machine_cpu_percent", "Everybody, of all cores"),
    Series("stolen_percent", "Taken away by the host"),
    Series("waited_percent", "Somebody waited for a core"),
)
_SMALL_PX: Final = 110
_SHORT: Final = (
    "abs(datum.value) < 10000 ? format(datum.value, ',.3~r') : format(datum.value, '.3~s')"
)


def draw_processor(report: JsonObject) -> Chart | None:
    """Return what the processor of the load tester's machine did."""
    health = report["generator"]["health"]
    if health is None:
        return None
    x = time_axis(report["run"]["length_s"])
    y = {"title": "Part of the time (%)", "scale": {"zero": True}}
    lines = draw_lines(SHARES, x=x, y=y, colours="category")
    spec = make_spec("generator.health.rows", layers=[*lines, draw_hover(x, SHARES)])
    spec["transform"] = [
        scale_value(one.field.removesuffix("_percent"), 100, name=one.field) for one in SHARES
    ]
    finding = (
        f"The load tester used {health['mean_cpu']:.0%} of one core on average and "
        f"{health['worst']['cpu']:.0%} at most, on a machine with {health['cores']} cores."
    )
    return Chart(
        name="generator-cpu", title="Processor of the generator", finding=finding, spec=spec
    )


def draw_loop_lag(report: JsonObject) -> Chart | None:
    """Return how late the load tester's event loop was."""
    health = report["generator"]["health"]
    if health is None:
        return None
    x = time_axis(report["run"]["length_s"])
    shown = [Series("loop_lag_ms", "Longest delay of the event loop (ms)")]
    lines = draw_lines(
        shown, x=x, y={"title": "Longest delay (ms)", "scale": {"zero": True}}, colours="category"
    )
    spec = make_spec("generator.health.rows", layers=[*lines, draw_hover(x, shown)], height=160)
    spec["transform"] = [scale_value("loop_lag_s", 1000, name="loop_lag_ms")]
    longest = write_number(health["worst"]["loop_lag_s"], Unit.MILLISECONDS)
    return Chart(
        name="generator-loop",
        title="Delay of the generator's event loop",
        finding=f"At most {longest} ms.",
        spec=spec,
    )


def draw_metrics(report: JsonObject) -> list[Chart]:
    """Return one small chart for each of the service's own figures."""
    names = list(dict.fromkeys(point["name"] for point in report["service_metrics"]))
    return [_draw_metric(report, name, place) for place, name in enumerate(names, start=1)]


def _draw_metric(report: JsonObject, name: str, place: int) -> Chart:
    x = time_axis(report["run"]["length_s"])
    # The name is a stranger's, and Vega-Lite makes an expression of a tooltip's titles.
    shown = [Series("value", "Value")]
    lines = draw_lines(
        shown,
        x=x,
        y={"title": None, "scale": {"zero": True}, "axis": {"tickCount": 4, "labelExpr": _SHORT}},
        colours="category",
    )
    spec = make_spec("service_metrics", layers=[*lines, draw_hover(x, shown)], height=_SMALL_PX)
    spec["transform"] = [{"filter": f"datum.name === {json.dumps(name)}"}]
    values = [point["value"] for point in report["service_metrics"] if point["name"] == name]
    least, most = (write_number(value, Unit.PLAIN) for value in (min(values), max(values)))
    finding = f"From {least} to {most}."
    return Chart(name=f"service-{place}", title=name, finding=finding, spec=spec, is_small=True)
