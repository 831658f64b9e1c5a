"""Real and simulated runs are summed up and drawn in the same way."""

import pytest

from benchmarks.scale_simulation.outcomes import Compared, Outcome, summarize
from benchmarks.scale_simulation.picture import Curve, draw
from benchmarks.scale_simulation.service import Image


def test_what_ends_after_the_offer_is_no_throughput_but_has_a_latency() -> None:
    images = [Image(1.0, 0.5), Image(2.0, 1.0), Image(9.0, 3.0), Image(9.5, None)]
    outcome = summarize(images, seconds=10.0)
    assert outcome == Outcome(per_second=0.2, p50_s=1.0, p95_s=3.0, refused=1)


def test_being_off_is_relative_to_what_really_happened() -> None:
    compared = Compared(
        "scripted",
        0.5,
        0.0,
        real=Outcome(per_second=50.0, p50_s=0.1, p95_s=0.2, refused=0),
        simulated=Outcome(per_second=55.0, p50_s=0.1, p95_s=0.19, refused=0),
    )
    assert compared.throughput_error == pytest.approx(0.1)
    assert compared.p95_error == pytest.approx(0.05)


def test_picture_is_a_png() -> None:
    outcome = Outcome(per_second=50.0, p50_s=0.1, p95_s=0.2, refused=0)
    curve = Curve(
        "scripted", 100.0, simulated=[(0.2, outcome), (0.5, outcome)], real=[(0.5, outcome)]
    )
    assert draw([curve]).startswith(b"\x89PNG")
