import io

import pytest
from PIL import Image

from load_tester.figures.scaling import Conversion, Scaling, measure_scaling
from load_tester.report.pictures import render_png
from load_tester.report.scaling_plot import (
    describe_laws,
    draw_scaling,
    draw_speed_up,
    draw_times,
)


def scaling_of(*threads: int) -> Scaling:
    conversions = [
        Conversion(threads=n, kernel_s=factor * (0.2 + 0.8 / n), total_s=2.0)
        for n in threads
        for factor in (1.0, 1.25, 0.8)
    ]
    return measure_scaling(conversions, cores=64)


def series_of(scaling: Scaling) -> dict[str, list[tuple[float, float]]]:
    """The points of each line and of the measured points, by the name in the legend."""
    found: dict[str, list[tuple[float, float]]] = {}
    for layer in draw_speed_up(scaling)["layer"]:
        for row in layer["data"]["values"]:
            points = found.setdefault(row["series"], [])
            if (row["threads"], row["speed_up"]) not in points:
                points.append((row["threads"], row["speed_up"]))
    return found


def test_measured_points_and_fitted_laws_are_drawn() -> None:
    series = series_of(scaling_of(1, 2, 4, 8))
    assert set(series) == {"ideal", "measured", "Amdahl", "USL"}
    for threads, speed_up in series["measured"]:
        assert speed_up == pytest.approx(1 / (0.2 + 0.8 / threads))
    assert [threads for threads, _ in series["measured"]] == [1, 2, 4, 8]
    # Both laws go through points that follow them.
    for law in ("Amdahl", "USL"):
        (first, first_speed_up), (last, last_speed_up) = series[law][0], series[law][-1]
        assert (first, last) == (1, 8)
        assert first_speed_up == pytest.approx(1, rel=1e-3)
        assert last_speed_up == pytest.approx(1 / 0.3, rel=1e-3)


def test_a_law_that_was_not_fitted_is_not_drawn() -> None:
    assert set(series_of(scaling_of(1, 2))) == {"ideal", "measured"}


def test_times_are_in_milliseconds_with_their_spread() -> None:
    rows = draw_times(scaling_of(1, 2))["data"]["values"]
    kernel = next(row for row in rows if row["part"] == "kernel")
    assert (kernel["low"], kernel["ms"], kernel["high"]) == pytest.approx((800, 1000, 1250))
    assert {row["part"] for row in rows} == {"kernel", "whole step"}


def test_the_laws_are_told_in_words() -> None:
    amdahl, usl = describe_laws(scaling_of(1, 2, 4, 8))
    assert amdahl.startswith("Amdahl: serial fraction 20.0%, speed-up at most 5.00")
    assert usl.startswith("USL: contention 20.0%, coherency 0.00%, no peak")


@pytest.mark.parametrize("threads", [(1,), (1, 2, 4, 8, 16)])
def test_the_picture_is_rendered(threads: tuple[int, ...]) -> None:
    png = render_png(draw_scaling(scaling_of(*threads), title="Thread scaling"))
    with Image.open(io.BytesIO(png)) as picture:
        picture.load()
        assert picture.width > 1600
        assert len(picture.getcolors(picture.width * picture.height) or []) > 10
