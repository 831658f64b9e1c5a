"""The report as one HTML file that opens offline and asks for nothing.

The report's JSON is embedded once; tables are written from it here, charts are drawn from it by
Vega-Lite, which is embedded, too. File names and answers are a stranger's: everything is escaped,
and the page's policy lets no script run but the two whose digests it names.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Final

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from load_tester.report.numbers import Unit, write_number
from load_tester.report.specs import Chart, look_up
from load_tester.report.theme import PAGE, PAGE_FONT, JsonObject, make_config

_PAGE: Final = Path(__file__).with_name("page")
_BLOCKS: Final = (
    ("headline", "Headline"),
    ("rates", "Rates"),
    ("latency", "Latency"),
    ("spectrum", "Spectrum"),
    ("parts", "Where the time goes"),
    ("offered", "Offered load"),
    ("in-flight", "In flight"),
    ("generator", "Generator"),
    ("service", "Service"),
    ("errors", "Errors"),
    ("wrong", "Wrong answers"),
    ("files", "Images"),
    ("scaling", "Threads"),
    ("comparison", "Comparison"),
    ("again", "Reproduce"),
)
_OPTIONAL: Final = {"wrong", "scaling", "comparison"}


def render_page(report: JsonObject, charts: Sequence[Chart]) -> str:
    """Return the page; the same report and charts give the same text."""
    library = bundle_library()
    script = (_PAGE / "page.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(_PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = {
        "config": make_config(PAGE, font=PAGE_FONT),
        "charts": [{"name": chart.name, "spec": _describe(chart)} for chart in charts],
    }
    environment.globals.update(num=partial(_write_data, report), mark=_write_mark)
    return environment.get_template("page.html.j2").render(
        report=report,
        charts={chart.name: chart for chart in charts},
        service_charts=[chart for chart in charts if chart.is_small],
        blocks=[(name, title) for name, title in _BLOCKS if _is_shown(name, report)],
        policy=_write_policy(library, script),
        style=Markup((_PAGE / "page.css").read_text(encoding="utf-8")),
        library=Markup(library),
        script=Markup(script),
        report_json=_embed(report),
        charts_json=_embed(drawn),
    )


@cache
def bundle_library() -> str:
    """Return the JavaScript of Vega, Vega-Lite and Vega-Embed; putting it together takes a second.

    It comes with vl-convert, so page and pictures are drawn by the same version.
    """
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


def _describe(chart: Chart) -> JsonObject:
    return {**chart.spec, "description": f"{chart.title}. {chart.finding}"}


def _is_shown(block: str, report: JsonObject) -> bool:
    return block not in _OPTIONAL or bool(report[block])


def _write_data(report: JsonObject, path: str, unit: str) -> Markup:
    """Return a number of the report with where it stands there, for readers and for machines."""
    value = look_up(report, path)
    return Markup('<data value="{}" data-path="{}" data-unit="{}">{}</data>').format(
        json.dumps(value), path, unit, write_number(value, Unit(unit))
    )


def _write_mark(good: bool | None, text: str) -> Markup:
    kind = {True: "good", False: "bad", None: "doubt"}[good]
    return Markup('<span class="mark {}">{}</span>').format(kind, text)


def _write_policy(*scripts: str) -> str:
    """Return a policy under which nothing is fetched and only these scripts run."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )


def _embed(data: JsonObject) -> Markup:
    """Return JSON that cannot end the element around it."""
    return htmlsafe_json_dumps(data, separators=(",", ":"), ensure_ascii=False)
