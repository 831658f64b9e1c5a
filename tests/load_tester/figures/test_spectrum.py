import pytest

from load_tester.figures.spectrum import measure_spectrum
from load_tester.run import Mode, Run
from tests.load_tester.records import make_record
from tests.load_tester.report.sample_run import make_asked, make_run


def make_late_run(images: int, mode: Mode = Mode.OPEN, warm_up_s: float = 0.0) -> Run:
    """Images that take 100 ms each and leave the later the later they are due, up to 1 s."""
    records = tuple(
        make_record(
            index,
            sched_s=index / 100,
            sent_s=index / 100 + index / images,
            seen_s=index / 100 + index / images + 0.1,
        )
        for index in range(images)
    )
    return make_run(records=records, asked=make_asked(mode=mode, warm_up_s=warm_up_s))


def test_lateness_is_in_the_corrected_spectrum_only() -> None:
    points = measure_spectrum(make_late_run(1000))
    median = next(point for point in points if point.percentile >= 50)
    assert median.corrected_s == pytest.approx(median.percentile / 100 + 0.1, rel=0.01)
    assert median.uncorrected_s == pytest.approx(0.1, rel=0.01)


def test_no_percentile_is_told_without_the_images_for_it() -> None:
    assert measure_spectrum(make_late_run(6))[-1].percentile < 50
    assert measure_spectrum(make_late_run(100))[-1].percentile == pytest.approx(95, abs=0.6)
    assert measure_spectrum(make_late_run(1000))[-1].percentile == pytest.approx(99.5, abs=0.1)


def test_both_spectra_only_ever_rise() -> None:
    points = measure_spectrum(make_late_run(1000))
    for values in (
        [point.corrected_s or 0.0 for point in points],
        [point.uncorrected_s or 0.0 for point in points],
    ):
        assert values == sorted(values)


def test_a_closed_loop_has_nothing_to_correct() -> None:
    points = measure_spectrum(make_late_run(100, Mode.CLOSED))
    assert {point.corrected_s for point in points} == {None}
    assert None not in {point.uncorrected_s for point in points}


def test_the_warm_up_is_left_out() -> None:
    points = measure_spectrum(make_late_run(1000, warm_up_s=9.0))
    assert points[0].corrected_s == pytest.approx(1.0, rel=0.02)
    assert points[-1].percentile < 96


def test_no_result_is_no_spectrum() -> None:
    assert measure_spectrum(make_run(records=())) == []
