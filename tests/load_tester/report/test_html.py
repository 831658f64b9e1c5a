import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest

from load_tester.figures.comparison import compare
from load_tester.figures.scaling import Conversion, measure_scaling
from load_tester.record import Outcome
from load_tester.report.charts import list_charts
from load_tester.report.document import Extras, build_report
from load_tester.report.html import render_page
from load_tester.report.numbers import Unit, write_number
from load_tester.report.specs import look_up
from load_tester.run import Mode, Run
from tests.load_tester.records import make_record
from tests.load_tester.report.sample_run import HOSTILE, HOSTILE_LABEL, make_asked, make_run

Attributes = dict[str, str | None]


@dataclass
class Element:
    tag: str
    attributes: Attributes
    text: str = ""


@dataclass
class Page(HTMLParser):
    """Reads a page as a browser would: its elements, each with the text directly in it."""

    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.elements.append(element)
        if tag not in {"meta", "img", "link", "br"}:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1].text += data

    def find(self, tag: str, **attributes: str) -> list[Element]:
        return [
            element
            for element in self.elements
            if element.tag == tag and attributes.items() <= element.attributes.items()
        ]


def read_page(run: Run, extras: Extras | None = None) -> Page:
    report = build_report(run, extras or Extras())
    page = Page()
    page.feed(render_page(report, list_charts(report, extras.scaling if extras else None)))
    page.close()
    return page


@pytest.fixture(scope="module")
def page() -> Page:
    conversions = [
        Conversion(threads=threads, kernel_s=0.1 / threads, total_s=0.15 / threads)
        for threads in (1, 2, 4, 8)
    ]
    extras = Extras(
        comparison=compare(make_run(), make_run()), scaling=measure_scaling(conversions, cores=8)
    )
    return read_page(make_run(), extras)


def read_embedded(page: Page) -> dict[str, object]:
    (embedded,) = page.find("script", id="report")
    told: dict[str, object] = json.loads(embedded.text)
    return told


def test_every_number_is_that_of_the_json_behind_it(page: Page) -> None:
    report = read_embedded(page)
    numbers = page.find("data")
    assert len(numbers) > 150
    for number in numbers:
        value = look_up(report, number.attributes["data-path"] or "")
        assert number.attributes["value"] == json.dumps(value)
        assert number.text == write_number(value, Unit(number.attributes["data-unit"] or ""))


def test_the_headline_table_shows_the_percentiles_of_the_run(page: Page) -> None:
    report = read_embedded(page)
    (p95,) = page.find("data", **{"data-path": "latency.end_to_end.p95_s"})
    value = look_up(report, "latency.end_to_end.p95_s")
    assert float(p95.text) == pytest.approx(1000 * value, rel=0.01)
    (p999,) = page.find("data", **{"data-path": "latency.end_to_end.p999_s"})
    assert p999.text == "n/a"


def test_what_captions_tell_comes_from_the_json_too(page: Page) -> None:
    told = {
        path: page.find("data", **{"data-path": path})[0].text
        for path in (
            "comparison.confidence",
            *(f"samples_needed.{name}" for name in ("p95_s", "p99_s", "p999_s")),
        )
    }
    assert list(told.values()) == ["97.50 %", "90", "459", "4,603"]
    captions = " ".join(caption.text for caption in page.find("caption"))
    # What is left are the names of percentiles.
    assert set(re.findall(r"[\w.]*\d[\w.]*", captions)) <= {"p95", "p99", "p99.9"}


def test_nothing_is_asked_of_anybody(page: Page) -> None:
    linked = [
        value
        for element in page.elements
        for name, value in element.attributes.items()
        if name in {"src", "srcset", "action", "data"} or (name == "href" and value)
    ]
    assert [value for value in linked if not (value or "").startswith("#")] == []
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    directives = dict(
        directive.strip().split(" ", 1)
        for directive in (policy.attributes["content"] or "").split(";")
    )
    assert re.fullmatch(r"('sha256-\S+' ?)+", directives.pop("script-src"))
    assert directives == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    (style,) = page.find("style")
    assert "url(" not in style.text
    assert "@import" not in style.text


def test_only_the_two_scripts_of_the_page_may_run(page: Page) -> None:
    scripts = [script for script in page.find("script") if "type" not in script.attributes]
    digests = [base64.b64encode(hashlib.sha256(s.text.encode()).digest()).decode() for s in scripts]
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    allowed = re.findall(r"'sha256-([^']+)'", policy.attributes["content"] or "")
    assert len(scripts) == 2
    assert digests == allowed
    assert "unsafe-eval" not in (policy.attributes["content"] or "")


def test_a_hostile_file_name_or_answer_is_shown_and_does_nothing(page: Page) -> None:
    assert page.find("img") == []
    assert len(page.find("script")) == 4
    shown = {element.text for element in page.find("bdi")}
    assert {HOSTILE, HOSTILE_LABEL} <= shown


def test_every_chart_has_a_place_and_says_what_it_shows(page: Page) -> None:
    (embedded,) = page.find("script", id="charts")
    charts = [chart["name"] for chart in json.loads(embedded.text)["charts"]]
    places = {place.attributes["id"]: place for place in page.find("div", role="img")}
    assert len(charts) > 10
    assert {f"chart-{name}" for name in charts} == set(places)
    assert all(len(place.attributes["aria-label"] or "") > 20 for place in places.values())


def test_charts_name_no_colour_of_their_own(page: Page) -> None:
    (embedded,) = page.find("script", id="charts")
    specs = json.dumps([chart["spec"] for chart in json.loads(embedded.text)["charts"]])
    assert re.findall(r"#[0-9a-fA-F]{6}\b|rgb", specs) == []


def test_the_colours_of_the_charts_are_those_of_the_page(page: Page) -> None:
    (embedded,) = page.find("script", id="charts")
    (style,) = page.find("style")
    named = set(re.findall(r"var\((--\w+)\)", embedded.text))
    assert named
    assert named <= set(re.findall(r"(--[\w-]+):", style.text))


def test_the_blocks_are_in_the_order_in_which_they_are_read(page: Page) -> None:
    sections = [element.attributes["id"] for element in page.find("section")]
    assert sections == [
        *("headline", "rates", "latency", "spectrum", "parts", "offered", "in-flight"),
        *("generator", "service", "errors", "wrong", "files", "scaling", "comparison", "again"),
    ]
    links = [link.attributes["href"] for link in page.find("a")]
    assert links == [f"#{name}" for name in sections]


def test_every_table_names_its_columns(page: Page) -> None:
    assert len(page.find("thead")) == len(page.find("table"))
    assert {head.attributes.get("scope") for head in page.find("th")} == {"col", "row"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"uploads": 199}, "The counts do not add up"),
        ({"interrupted": True}, "Interrupted"),
        ({"environment": {"raw file": "its end is missing"}}, "The raw file: its end is missing"),
        ({"asked": make_asked(mode=Mode.CLOSED)}, "Closed loop"),
    ],
)
def test_what_speaks_against_the_figures_stands_at_the_top(
    change: dict[str, object], told: str
) -> None:
    page = read_page(make_run(**change))
    assert any(told in element.text for element in page.find("span"))


def test_blocks_without_data_say_why() -> None:
    records = (make_record(0, Outcome.TIMED_OUT),)
    page = read_page(
        make_run(records=records, uploads=1, planned=(1,), generator=(), service=(), ceiling=None)
    )
    assert _says(page, "No image ended ok")
    assert _says(page, "The generator was not watched")
    assert _says(page, "No metrics of the service")
    assert [place.attributes["id"] for place in page.find("div", role="img")] == [
        "chart-rates",
        "chart-errors",
    ]


def _says(page: Page, told: str) -> bool:
    paragraphs: Sequence[Element] = page.find("p")
    return any(told in paragraph.text for paragraph in paragraphs)
