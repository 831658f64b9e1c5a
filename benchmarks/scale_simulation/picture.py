"""The simulation as lines and the real service as points, over the load."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import vl_convert

from benchmarks.scale_simulation.outcomes import Outcome

SCALE: Final = 2.0
Chart: TypeAlias = dict[str, object]
Point: TypeAlias = dict[str, str | float]


@dataclass(frozen=True, slots=True)
class Curve:
    """One kind of replicas; loads are parts of the most that the service does."""

    kind: str
    most: float
    """Images a second."""
    simulated: Sequence[tuple[float, Outcome]]
    real: Sequence[tuple[float, Outcome]]


def draw(curves: Sequence[Curve]) -> bytes:
    """Return a PNG."""
    spec: Chart = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "config": {"font": "sans-serif"},
        "hconcat": [
            _panel(curves, field="p95", title="p95 of what was accepted, ms", is_log=True),
            _panel(curves, field="share", title="completed, part of the most it does"),
        ],
    }
    return bytes(vl_convert.vegalite_to_png(spec, scale=SCALE))


def _panel(curves: Sequence[Curve], *, field: str, title: str, is_log: bool = False) -> Chart:
    encoding = {
        "x": {
            "field": "load",
            "type": "quantitative",
            "title": "offered, part of the most it does",
        },
        "y": {
            "field": field,
            "type": "quantitative",
            "title": title,
            "scale": {"type": "log"} if is_log else {"zero": True},
        },
        "color": {"field": "replicas", "type": "nominal"},
    }
    return {
        "width": 340,
        "height": 260,
        "layer": [
            {
                "data": {"values": list(_points(curves, is_real=False))},
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": encoding,
            },
            {
                "data": {"values": list(_points(curves, is_real=True))},
                "mark": {"type": "point", "filled": True, "size": 70},
                "encoding": encoding,
            },
        ],
    }


def _points(curves: Sequence[Curve], *, is_real: bool) -> Iterator[Point]:
    for curve in curves:
        for load, outcome in curve.real if is_real else curve.simulated:
            yield {
                "replicas": curve.kind,
                "load": load,
                "p95": 1000 * outcome.p95_s,
                "share": outcome.per_second / curve.most,
            }
