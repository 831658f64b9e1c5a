"""What the chart specs are put together from. Pure.

A spec names its data by the path inside the report (`flight.rows`); whoever draws it looks the
path up. So the numbers are in one place, and a chart cannot differ from the tables. The grammar is
Vega-Lite's: https://vega.github.io/vega-lite/docs/.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from load_tester.report.theme import JsonObject

TIME_TITLE: Final = "Time since the start (s)"
HEIGHT_PX: Final = 240
_LINEAR_SPAN: Final = 25


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """One chart; `finding` is what it shows, in words, for those who cannot see it."""

    name: str
    title: str
    finding: str
    spec: JsonObject
    is_small: bool = False
    """One of many alike: shown beside others, and no picture of its own."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart: the field of the data and what the legend calls it."""

    field: str
    label: str


def look_up(report: JsonObject, path: str) -> Any:
    """Return what a dotted path names, such as `latency.end_to_end.p95_s` or `parts.0.total_s`."""
    found: Any = report
    for key in path.split("."):
        found = found[int(key)] if isinstance(found, list) else found[key]
    return found


def with_data(spec: JsonObject, report: JsonObject) -> JsonObject:
    """Return the spec with the part of the report that it draws; as it is, with data of its own."""
    path = spec.get("data", {}).get("name")
    return spec if path is None else {**spec, "datasets": {path: look_up(report, path)}}


def make_spec(path: str, *, layers: list[JsonObject], height: int = HEIGHT_PX) -> JsonObject:
    """Return a spec as wide as its place, its layers on top of each other."""
    return {"data": {"name": path}, "width": "container", "height": height, "layer": layers}


@dataclass(frozen=True, slots=True)
class Colours:
    """Which label has which colour of a range of the theme, and which are in the legend."""

    name: str
    labels: tuple[str, ...]
    shown: tuple[str, ...]

    def pick(self, label: str) -> JsonObject:
        """Return the encoding of one label's colour."""
        return {
            "datum": label,
            "scale": {"domain": list(self.labels), "range": self.name},
            "legend": {"values": list(self.shown)} if self.shown else None,
        }


def draw_lines(
    series: Sequence[Series],
    *,
    x: JsonObject,
    y: JsonObject,
    colours: Colours | str,
    **mark: object,
) -> list[JsonObject]:
    """Return one line for each series; a range's name alone gives its colours in order."""
    if isinstance(colours, str):
        labels = tuple(one.label for one in series)
        colours = Colours(colours, labels, labels if len(labels) > 1 else ())
    return [
        {
            "mark": {"type": "line", **mark},
            "encoding": {
                "x": x,
                "y": {**y, "field": one.field, "type": "quantitative"},
                "color": colours.pick(one.label),
            },
        }
        for one in series
    ]


def draw_hover(x: JsonObject, shown: Iterable[Series]) -> JsonObject:
    """Return a rule that follows the pointer and tells the values beneath it."""
    tooltip = [
        {"field": one.field, "type": "quantitative", "title": one.label, "format": ",.4~r"}
        for one in (Series(x["field"], x["title"]), *shown)
    ]
    return {
        "mark": {"type": "rule", "strokeWidth": 1},
        "params": [
            {
                "name": "hover",
                "select": {
                    "type": "point",
                    "on": "pointerover",
                    "nearest": True,
                    "clear": "pointerout",
                    "encodings": ["x"],
                },
            }
        ],
        "encoding": {
            "x": x,
            "opacity": {"condition": {"param": "hover", "empty": False, "value": 0.6}, "value": 0},
            "tooltip": tooltip,
        },
    }


def time_axis(length_s: float) -> JsonObject:
    """Return the horizontal axis that all charts over time share."""
    return {
        "field": "at_s",
        "type": "quantitative",
        "title": TIME_TITLE,
        "scale": {"domain": [0, length_s], "nice": False},
        "axis": {"tickMinStep": 1},
    }


def reach_end(last_s: float, width_s: float) -> list[JsonObject]:
    """Return the transforms that give a line of steps its last one.

    A step is drawn from one row to the next, and after the last there is none: so that row is
    told twice, at its beginning and at its end. The moments are in the field `edge_s`.
    """
    edges = f"datum.at_s < {last_s} ? [datum.at_s] : [datum.at_s, datum.at_s + {width_s}]"
    return [{"calculate": edges, "as": "edge_s"}, {"flatten": ["edge_s"]}]


def scale_value(field: str, factor: float, *, name: str) -> JsonObject:
    """Return the transform that multiplies a field and leaves unknown values unknown."""
    key = json.dumps(field)
    return {"calculate": f"isValid(datum[{key}]) ? {factor} * datum[{key}] : null", "as": name}


def to_ms(*fields: str) -> list[JsonObject]:
    """Return the transforms that turn `…_s` into `…_ms`."""
    return [scale_value(name, 1000, name=f"{name.removesuffix('_s')}_ms") for name in fields]


def latency_axis(title: str, values_s: Iterable[float | None]) -> JsonObject:
    """Return a vertical axis in milliseconds, logarithmic where the values span too much."""
    known = [1000 * value for value in values_s if value is not None and value > 0]
    if not known or max(known) <= _LINEAR_SPAN * min(known):
        return {"title": f"{title} (ms)", "scale": {"zero": True}}
    ticks = _list_ticks(min(known), max(known))
    return {
        "title": f"{title} (ms, log scale)",
        "scale": {"type": "log", "domain": [ticks[0], ticks[-1]], "nice": False},
        "axis": {"values": ticks, "format": ",~r"},
    }


def _list_ticks(least: float, most: float) -> list[float]:
    """Return 1, 2, 5, 10, 20, … from at or below the least to at or above the most."""
    powers = range(math.floor(math.log10(least)), math.floor(math.log10(most)) + 2)
    steps = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    first = max(step for step in steps if step <= least)
    last = min(step for step in steps if step >= most)
    return [step for step in steps if first <= step <= last]
