"""All charts of a report, in the order in which it shows them. Pure."""

from load_tester.figures.scaling import Scaling
from load_tester.report.comparison_chart import draw_comparison
from load_tester.report.health_charts import draw_loop_lag, draw_metrics, draw_processor
from load_tester.report.latency_charts import (
    draw_offered,
    draw_sizes,
    draw_spectrum,
    draw_windows,
)
from load_tester.report.load_charts import draw_errors, draw_flight, draw_rates
from load_tester.report.parts_charts import draw_parts, draw_parts_over_time
from load_tester.report.scaling_plot import describe_laws, draw_speed_up, draw_times
from load_tester.report.specs import HEIGHT_PX, Chart
from load_tester.report.theme import JsonObject


def list_charts(report: JsonObject, scaling: Scaling | None = None) -> list[Chart]:
    """Return the charts that the report has data for."""
    drawn = [
        draw_rates(report),
        draw_windows(report),
        draw_spectrum(report),
        draw_parts(report),
        draw_parts_over_time(report),
        draw_offered(report),
        draw_flight(report),
        draw_processor(report),
        draw_loop_lag(report),
        draw_errors(report),
        draw_sizes(report),
        *draw_metrics(report),
        draw_comparison(report),
        *([] if scaling is None else _draw_scaling(scaling)),
    ]
    return [chart for chart in drawn if chart is not None]


def _draw_scaling(scaling: Scaling) -> list[Chart]:
    best = max(scaling.points, key=lambda point: point.speed_up)
    laws = " ".join(f"{line}." for line in describe_laws(scaling))
    return [
        Chart(
            name="speed-up",
            title="Speed-up with threads",
            finding=f"At most {best.speed_up:.2f} times, with {best.threads} threads. {laws}",
            spec=_fit(draw_speed_up(scaling)),
        ),
        Chart(
            name="thread-times",
            title="Time with threads",
            finding=f"The kernel takes {1000 * best.kernel.median_s:.2f} ms at its fastest.",
            spec=_fit(draw_times(scaling)),
        ),
    ]


def _fit(spec: JsonObject) -> JsonObject:
    """Return the spec as wide as its place, without the title that the page shows itself."""
    fitted = {**spec, "width": "container", "height": HEIGHT_PX}
    fitted.pop("title", None)
    return fitted
