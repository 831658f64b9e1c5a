import json
import re

import pytest
import vl_convert

from load_tester.figures.comparison import compare
from load_tester.figures.scaling import Conversion, measure_scaling
from load_tester.record import Outcome
from load_tester.report.charts import list_charts
from load_tester.report.document import Extras, build_report
from load_tester.report.specs import Chart, latency_axis, look_up, with_data
from load_tester.report.theme import LIGHT, PICTURE_FONT, JsonObject, make_config
from load_tester.run import GeneratorSample, Mode, Run, ServiceSample
from tests.load_tester.records import make_record
from tests.load_tester.report.sample_run import make_asked, make_run


def draw(run: Run) -> dict[str, Chart]:
    return {chart.name: chart for chart in list_charts(build_report(run))}


def render(chart: Chart, report: JsonObject) -> str:
    spec = {**with_data(chart.spec, report), "width": 600}
    return vl_convert.vegalite_to_svg({**spec, "config": make_config(LIGHT, font=PICTURE_FONT)})


def test_a_full_run_has_every_chart() -> None:
    conversions = [Conversion(threads=n, kernel_s=0.1 / n, total_s=0.2 / n) for n in (1, 2)]
    scaling = measure_scaling(conversions, cores=None)
    report = build_report(make_run(), Extras(comparison=compare(make_run(), make_run())))
    assert [chart.name for chart in list_charts(report, scaling)] == [
        *("rates", "latency", "spectrum", "parts", "parts-over-time", "offered-load"),
        *("in-flight", "generator-cpu", "generator-loop", "errors", "sizes"),
        *("service-1", "service-2", "comparison", "speed-up", "thread-times"),
    ]


def test_every_chart_can_be_drawn_and_shows_its_data() -> None:
    report = build_report(make_run())
    for chart in list_charts(report):
        drawn = render(chart, report)
        # A chart whose fields or transforms miss the data has axes, but no marks.
        assert re.search(r'mark-(line|area|rect|symbol)[^>]*role="graphics-object"', drawn), (
            chart.name
        )
        assert "NaN" not in drawn, chart.name


def test_every_field_of_a_chart_is_in_the_report() -> None:
    report = build_report(make_run())
    for chart in list_charts(report):
        rows = look_up(report, chart.spec["data"]["name"])
        made = {name for transform in chart.spec.get("transform", ()) for name in _made(transform)}
        used = set(re.findall(r'"field": "(\w+)"', json.dumps(chart.spec)))
        assert used <= set(rows[0]) | made, chart.name


def _made(transform: dict[str, object]) -> list[str]:
    made = transform.get("as", [])
    return [made] if isinstance(made, str) else [str(name) for name in made or ()]  # type: ignore[attr-defined]


def test_the_findings_tell_the_figures_of_the_run() -> None:
    charts = draw(make_run())
    assert charts["rates"].finding == (
        "200 images asked for, 200 sent, 186 completed, 14 sent ones not ok."
    )
    assert charts["errors"].finding == "Most often failed (10 images)."
    assert "p50 91.1 ms" in charts["spectrum"].finding
    assert charts["parts"].finding.startswith("The largest part is queue: ")


def test_a_closed_loop_has_no_target_and_no_corrected_spectrum() -> None:
    charts = draw(make_run(asked=make_asked(mode=Mode.CLOSED)))
    assert "target" not in json.dumps(charts["rates"].spec)
    assert "corrected_ms" not in _fields(charts["spectrum"])
    assert "uncorrected_ms" in _fields(charts["spectrum"])


def test_what_cannot_be_told_is_in_no_legend() -> None:
    legend = draw(make_run())["latency"].spec["layer"][0]["encoding"]["color"]["legend"]
    assert legend == {"values": ["p50", "Longest", "Not ok"]}


def test_even_a_single_second_has_a_step_from_its_beginning_to_its_end() -> None:
    report = build_report(make_run(records=(make_record(0, seen_s=0.9),), planned=(1,)))
    rates = next(chart for chart in list_charts(report) if chart.name == "rates")
    lines = re.findall(r'mark-line.*?<path[^>]* d="([^"]+)"', render(rates, report))
    assert lines
    assert all(line.startswith("M0,") and "L600," in line for line in lines), lines


def test_without_samples_of_the_counter_the_records_are_drawn() -> None:
    unwatched: tuple[GeneratorSample, ...] = ()
    charts = draw(make_run(generator=unwatched))
    assert "recorded" in _fields(charts["in-flight"])
    assert "generator-cpu" not in charts


def test_a_run_without_a_result_has_only_the_charts_that_say_so() -> None:
    records = (make_record(0, Outcome.TIMED_OUT),)
    charts = draw(make_run(records=records, planned=(1,), generator=(), service=()))
    assert list(charts) == ["rates", "errors"]


def test_a_name_cannot_leave_the_expressions_that_it_is_in() -> None:
    hostile = "x' || datum.name !== \"\\"
    service = tuple(
        ServiceSample(at_s=float(at_s), values={hostile: 1.0, "depth": 2.0}) for at_s in (1, 2)
    )
    records = tuple(make_record(n, steps_s={hostile: 0.1}, reason=hostile) for n in range(40))
    lost = make_record(40, Outcome.FAILED, reason=hostile)
    report = build_report(make_run(service=service, records=(*records, lost)))
    charts = list_charts(report)
    assert [chart.title for chart in charts if chart.is_small] == ["depth", hostile]
    for chart in charts:
        drawn = render(chart, report)
        if chart.is_small:
            assert drawn.count("mark-line") == 1


@pytest.mark.parametrize(
    ("values_s", "ticks"),
    [
        ([0.010, 0.020, None], None),
        ([], None),
        ([0.011, 0.9], [10, 20, 50, 100, 200, 500, 1000]),
        ([0.001, 0.1], [1, 2, 5, 10, 20, 50, 100]),
    ],
)
def test_an_axis_is_logarithmic_only_where_the_values_span_too_much(
    values_s: list[float | None], ticks: list[float] | None
) -> None:
    axis = latency_axis("Latency", values_s)
    assert axis.get("axis", {}).get("values") == ticks
    assert ("log scale" in axis["title"]) == (ticks is not None)


def _fields(chart: Chart) -> set[str]:
    return set(re.findall(r'"field": "(\w+)"', json.dumps(chart.spec["layer"])))
