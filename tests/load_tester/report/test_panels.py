import io
from typing import Any

import pytest
from PIL import Image

from load_tester.figures.panels import BenchmarkPoint
from load_tester.report.panels import describe_points, draw_p95_latency, draw_panels, draw_server
from load_tester.report.pictures import render_png


def point(count: int, **changes: Any) -> BenchmarkPoint:
    known: dict[str, Any] = {
        "count": count,
        "concurrency": 3,
        "ok": count,
        "attempts": count,
        "mean_latency_s": 0.02,
        "p95_latency_s": 0.05 if count >= 90 else None,
        "max_latency_s": 0.08,
        "throughput_per_s": 40.0,
        "queue_s": 0.001,
        "processing_s": 0.012,
        "total_s": 0.013,
        "from_cache": 0,
        "metrics_s": {"frontend_request_seconds": 0.014},
    }
    return BenchmarkPoint(**(known | changes))


NOTHING = point(
    5,
    **{"ok": 0, "mean_latency_s": None, "max_latency_s": None, "throughput_per_s": None},
    **{"queue_s": None, "processing_s": None, "total_s": None, "metrics_s": {}},
)


def titles_of(spec: dict[str, Any]) -> list[str]:
    panels = [panel for row in spec["vconcat"] for panel in row["hconcat"]]
    return [
        panel["title"] if isinstance(panel["title"], str) else panel["title"]["text"]
        for panel in panels
    ]


def test_there_are_four_panels_with_units_on_their_axes() -> None:
    spec = draw_panels([point(1), point(100)], title="Benchmark of h")
    assert titles_of(spec) == [
        "Average latency",
        "95th percentile latency",
        "Throughput",
        "Server breakdown (averages)",
    ]
    units = [panel["encoding"]["y"]["title"] for row in spec["vconcat"] for panel in row["hconcat"]]
    assert units == ["latency (ms)", "latency (ms)", "images per second", "time (ms)"]


@pytest.mark.parametrize("points", [[point(1), point(5), point(100)], [NOTHING]])
def test_the_picture_is_rendered_whatever_is_missing(points: list[BenchmarkPoint]) -> None:
    png = render_png(draw_panels(points, title="Benchmark"))
    with Image.open(io.BytesIO(png)) as picture:
        picture.load()
        assert picture.width > 1600
        assert picture.height > 1000
        # Something was drawn on the white.
        assert len(picture.getcolors(picture.width * picture.height) or []) > 10


def test_a_percentile_of_few_images_is_drawn_open_as_the_longest() -> None:
    panel = draw_p95_latency([point(5), point(100)])
    known, few = panel["layer"]
    assert known["data"]["values"] == [{"count": 100, "value": pytest.approx(50.0)}]
    assert few["data"]["values"] == [{"count": 5, "value": pytest.approx(80.0)}]
    assert few["mark"]["filled"] is False
    assert panel["title"]["subtitle"] == "open: the longest; a 95th percentile needs 90 images"


def test_percentiles_of_enough_images_need_no_explanation() -> None:
    panel = draw_p95_latency([point(100)])
    assert len(panel["layer"]) == 1
    assert "subtitle" not in panel["title"]


def test_the_servers_panel_shows_answers_and_metrics_side_by_side() -> None:
    rows = draw_server([point(5)])["data"]["values"]
    assert [(row["source"], row["series"]) for row in rows] == [
        ("answers", "queue"),
        ("answers", "processing"),
        ("answers", "total"),
        ("metrics", "frontend_request_seconds"),
    ]
    assert [row["ms"] for row in rows] == pytest.approx([1, 12, 13, 14])


def test_success_and_the_cache_are_told() -> None:
    few = point(4, ok=3, reasons={"failed:http_500": 1})
    told = describe_points([few, point(100, from_cache=7)])
    assert told[0] == "Succeeded: 103 of 104 (75% of 4, 100% of 100)"
    assert told[1] == "1 x failed:http_500"
    assert told[2].startswith("7 answers came from the cache")
