"""How charts look: one Vega-Lite configuration for light and one for dark surroundings. Pure.

Specs name ranges (`volume`, `outcomes`, …), never colours, so that the same spec serves a light
page, a dark one, print and PNG. The hues are those of Okabe and Ito, "Color Universal Design"
(2008), which stay apart for the common kinds of colour blindness; on a dark ground blue and black
give way to lighter ones.
"""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
"""Whatever JSON can say in an object, such as a Vega-Lite spec."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Palette:
    """The colours of one surrounding, as CSS writes them."""

    ground: str
    text: str
    quiet: str
    grid: str
    blue: str
    sky: str
    green: str
    orange: str
    red: str
    purple: str
    yellow: str
    grey: str


LIGHT: Final = Palette(
    ground="#ffffff",
    text="#1b1f24",
    quiet="#59636e",
    grid="#e4e7eb",
    blue="#0072b2",
    sky="#56b4e9",
    green="#009e73",
    orange="#e69f00",
    red="#d55e00",
    purple="#cc79a7",
    yellow="#c9b800",
    grey="#8a939c",
)
DARK: Final = Palette(
    ground="#15181c",
    text="#e6e9ed",
    quiet="#a3acb6",
    grid="#2c3239",
    blue="#56b4e9",
    sky="#9ad3f5",
    green="#2fc29a",
    orange="#e69f00",
    red="#f0803c",
    purple="#dd9bc0",
    yellow="#f0e442",
    grey="#8a939c",
)

# What the page's style sheet calls the same colours: it decides between light and dark.
PAGE: Final = Palette(
    ground="transparent",
    **{
        name: f"var(--{name})"
        for name in (
            *("text", "quiet", "grid", "blue", "sky", "green"),
            *("orange", "red", "purple", "yellow", "grey"),
        )
    },
)

# Liberation Sans comes with vl-convert, so that pictures are the same on every machine.
PICTURE_FONT: Final = "Liberation Sans, Helvetica, Arial, sans-serif"
PAGE_FONT: Final = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"


def make_config(palette: Palette, *, font: str) -> JsonObject:
    """Return the Vega-Lite configuration of a surrounding; sizes in pixels."""
    label = {"labelColor": palette.quiet, "labelFontSize": 12}
    title = {"titleColor": palette.text, "titleFontSize": 12, "titleFontWeight": "normal"}
    return {
        "background": palette.ground,
        "font": font,
        "view": {"stroke": None},
        "axis": {
            **label,
            **title,
            "gridColor": palette.grid,
            "domainColor": palette.quiet,
            "tickColor": palette.quiet,
            "titlePadding": 8,
            "labelOverlap": True,
        },
        "axisX": {"grid": False},
        "axisY": {"domain": False, "ticks": False, "minExtent": 40},
        "legend": {
            "labelColor": palette.text,
            "labelFontSize": 12,
            "labelLimit": 320,
            "title": None,
            "orient": "top",
            "symbolType": "stroke",
            "symbolStrokeWidth": 3,
            "columns": 4,
            "symbolOpacity": 1,
            "columnPadding": 16,
        },
        "header": {"labelColor": palette.text, "titleColor": palette.text},
        "title": {"color": palette.text, "fontSize": 14, "anchor": "start"},
        "text": {"color": palette.text},
        "rule": {"color": palette.quiet},
        "line": {"strokeWidth": 1.75, "strokeJoin": "round"},
        "range": _name_ranges(palette),
    }


def _name_ranges(palette: Palette) -> dict[str, list[str]]:
    """Return what a scale's `range` may be called, and its colours in order."""
    p = palette
    # Lines have colours that stand out from the ground by 3 to 1; paler ones are for areas.
    series = [p.blue, p.red, p.green, p.purple, p.orange, p.sky, p.grey, p.yellow]
    return {
        "category": series,
        "volume": [p.grey, p.blue, p.green, p.red],  # target, sent, completed, failed
        "spread": [p.blue, p.green, p.purple, p.red, p.text],  # p50, p95, p99, longest, not ok
        "outcomes": [p.orange, p.red, p.purple, p.blue, p.yellow, p.grey],
        "pair": [p.blue, p.red],  # the figure to believe, and the one beside it
        "limit": [p.red],
        "parts": [p.grey, p.sky, p.orange, p.blue, p.green, p.purple, p.yellow, p.red],
    }
