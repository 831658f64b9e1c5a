"""Thread scaling as charts: the speed-up with the fitted laws, and the times behind it. Pure."""

from typing import Final

from load_tester.figures.scaling import Law, Scaling
from load_tester.report.theme import JsonObject

MEASURED: Final = "measured"
IDEAL: Final = "ideal"
AMDAHL: Final = "Amdahl"
USL: Final = "USL"

_SIZE: Final = {"width": 400, "height": 300}
_CURVE_POINTS: Final = 60
# Enough room to read a slowdown against the ideal line beside it.
_HEADROOM: Final = 1.25
# Told apart without colours, too.
_DASHES: Final = {
    "field": "series",
    "type": "nominal",
    "scale": {"domain": [IDEAL, AMDAHL, USL], "range": [[2, 3], [1, 0], [8, 4]]},
    "legend": None,
}


def draw_scaling(scaling: Scaling, *, title: str) -> JsonObject:
    """Return one picture of both charts side by side, the notes below the title."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {
            "text": title,
            "subtitle": [*describe_laws(scaling), *scaling.notes],
            "offset": 16,
            "subtitlePadding": 6,
        },
        "hconcat": [
            {**draw_speed_up(scaling), **_SIZE},
            {**draw_times(scaling), **_SIZE},
        ],
        "spacing": 48,
        # The two charts tell different things by the same colours.
        "resolve": {"scale": {"color": "independent"}},
    }


def describe_laws(scaling: Scaling) -> list[str]:
    """Return a line for each fitted law: what it found, and how far it is from the points."""
    lines = []
    if scaling.amdahl is not None:
        lines.append(
            f"Amdahl: serial fraction {scaling.amdahl.contention:.1%}, speed-up at most "
            f"{_or_unlimited(scaling.amdahl.most_speed_up)} (error {scaling.amdahl.error:.1%})"
        )
    if scaling.usl is not None:
        peak = scaling.usl.peak_threads
        lines.append(
            f"USL: contention {scaling.usl.contention:.1%}, coherency {scaling.usl.coherency:.2%}, "
            f"{'no peak' if peak is None else f'peak at {peak:.1f} threads'}, speed-up at most "
            f"{_or_unlimited(scaling.usl.most_speed_up)} (error {scaling.usl.error:.1%})"
        )
    return lines


def draw_speed_up(scaling: Scaling) -> JsonObject:
    """Return the measured speed-up of the kernel, the ideal, and the fitted laws."""
    alone_s = scaling.points[0].kernel.median_s
    most = scaling.points[-1].threads
    top = _HEADROOM * max(
        [
            *(alone_s / point.kernel.min_s for point in scaling.points),
            *(row["speed_up"] for row in _law_rows(scaling)),
        ]
    )
    measured = [
        {
            "threads": point.threads,
            "speed_up": point.speed_up,
            "least": alone_s / point.kernel.max_s,
            "most": alone_s / point.kernel.min_s,
            "series": MEASURED,
        }
        for point in scaling.points
    ]
    ideal = [{"threads": n, "speed_up": n, "series": IDEAL} for n in (1, min(most, top))]
    laws = [name for name in (AMDAHL, USL) if _law(scaling, name) is not None]
    color = {
        "field": "series",
        "type": "nominal",
        "scale": {"domain": [IDEAL, MEASURED, *laws], "range": "volume"},
    }
    x = _threads_axis(scaling)
    y = {
        "field": "speed_up",
        "type": "quantitative",
        "title": "speed-up of the kernel (times)",
        "scale": {"domain": [0, top], "nice": True},
    }
    return {
        "title": "Speed-up",
        "layer": [
            {
                "data": {"values": [*ideal, *_law_rows(scaling)]},
                "mark": {"type": "line", "clip": True},
                "encoding": {"x": x, "y": y, "color": color, "strokeDash": _DASHES},
            },
            {
                "data": {"values": measured},
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {
                    "x": x,
                    "y": {**y, "field": "least"},
                    "y2": {"field": "most"},
                    "color": color,
                },
            },
            {
                "data": {"values": measured},
                "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
                "encoding": {"x": x, "y": y, "color": color},
            },
        ],
    }


def draw_times(scaling: Scaling) -> JsonObject:
    """Return the time of the kernel and of the whole step for each number of threads."""
    rows = [
        {
            "threads": point.threads,
            "part": part,
            "ms": 1e3 * times.median_s,
            "low": 1e3 * times.min_s,
            "high": 1e3 * times.max_s,
        }
        for point in scaling.points
        for part, times in (("kernel", point.kernel), ("whole step", point.total))
    ]
    x = _threads_axis(scaling)
    color = {"field": "part", "type": "nominal", "sort": None, "scale": {"range": "pair"}}
    return {
        "title": "Time (median; bars from the shortest to the longest)",
        "data": {"values": rows},
        "encoding": {"x": x, "color": color},
        "layer": [
            {
                "mark": {"type": "line", "point": {"size": 60, "filled": True}},
                "encoding": {
                    "y": {"field": "ms", "type": "quantitative", "title": "time (ms)"},
                },
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {
                    "y": {"field": "low", "type": "quantitative"},
                    "y2": {"field": "high"},
                },
            },
        ],
    }


def _threads_axis(scaling: Scaling) -> JsonObject:
    """Return the encoding of the threads: a tick for each number that was measured."""
    measured = [point.threads for point in scaling.points]
    margin = 0.04 * (measured[-1] - measured[0]) or 0.5
    return {
        "field": "threads",
        "type": "quantitative",
        "axis": {"title": "OpenMP threads", "values": measured, "format": "d"},
        "scale": {"domain": [measured[0] - margin, measured[-1] + margin], "nice": False},
    }


def _law_rows(scaling: Scaling) -> list[JsonObject]:
    """Return points along the curves of the laws, against the measured time of one thread."""
    alone_s = scaling.points[0].kernel.median_s
    most = scaling.points[-1].threads
    threads = [1 + (most - 1) * step / _CURVE_POINTS for step in range(_CURVE_POINTS + 1)]
    return [
        {"threads": n, "speed_up": alone_s / law.predict_s(n), "series": name}
        for name in (AMDAHL, USL)
        if (law := _law(scaling, name)) is not None
        for n in threads
    ]


def _law(scaling: Scaling, name: str) -> Law | None:
    return {AMDAHL: scaling.amdahl, USL: scaling.usl}.get(name)


def _or_unlimited(speed_up: float | None) -> str:
    return "without limit" if speed_up is None else f"{speed_up:.2f}"
