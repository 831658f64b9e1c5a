import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tester.figures.scaling import Conversion, Scaling, measure_scaling


def scaling_of(
    kernel_s: dict[int, float], *, cores: int | None = 1000, repeats: int = 1
) -> Scaling:
    return measure_scaling(
        [
            Conversion(threads=threads, kernel_s=time_s, total_s=time_s + 0.1)
            for threads, time_s in kernel_s.items()
            for _ in range(repeats)
        ],
        cores=cores,
    )


def law_s(
    threads: int, *, contention: float, coherency: float = 0.0, one_s: float = 0.024
) -> float:
    slowed = 1 + contention * (threads - 1) + coherency * threads * (threads - 1)
    return one_s * slowed / threads


def test_the_published_fit_of_the_usl_is_found_again() -> None:
    """The SPEC SDM91 measurements and their coefficients, from the R package usl."""
    load = (1, 18, 36, 72, 108, 144, 216)
    throughput = (64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2)
    rates = zip(load, throughput, strict=True)
    usl = scaling_of({threads: 1 / rate for threads, rate in rates}).usl
    assert usl is not None
    assert usl.contention == pytest.approx(0.0277285, rel=1e-4)
    assert usl.coherency == pytest.approx(0.0001044, rel=1e-3)
    assert 1 / usl.one_thread_s == pytest.approx(89.9952, rel=1e-4)
    assert usl.peak_threads == pytest.approx(96.52, abs=0.01)


@given(st.floats(0.001, 0.9), st.floats(0.0001, 0.05), st.floats(1e-5, 10))
def test_a_law_is_found_in_times_that_follow_it(
    contention: float, coherency: float, one_s: float
) -> None:
    threads = (1, 2, 3, 4, 6, 8, 12, 16)
    scaling = scaling_of(
        {n: law_s(n, contention=contention, coherency=coherency, one_s=one_s) for n in threads}
    )
    assert scaling.usl is not None
    assert scaling.usl.contention == pytest.approx(contention, rel=0.02, abs=1e-4)
    assert scaling.usl.coherency == pytest.approx(coherency, rel=0.02, abs=1e-4)
    assert scaling.usl.error < 1e-3


@given(st.floats(0.0, 1.0))
def test_the_serial_fraction_is_found_and_limits_the_speed_up(serial: float) -> None:
    amdahl = scaling_of({n: law_s(n, contention=serial) for n in (1, 2, 4)}).amdahl
    assert amdahl is not None
    assert amdahl.contention == pytest.approx(serial, abs=1e-4)
    assert amdahl.coherency == 0
    assert amdahl.peak_threads is None
    if serial > 0.01:
        assert amdahl.most_speed_up == pytest.approx(1 / serial, rel=0.02)


def test_perfect_scaling_has_no_limit() -> None:
    scaling = scaling_of({n: 1 / n for n in (1, 2, 4, 8)})
    assert scaling.amdahl is not None
    assert scaling.amdahl.most_speed_up is None or scaling.amdahl.most_speed_up > 1e6
    assert [point.efficiency for point in scaling.points] == pytest.approx([1, 1, 1, 1])


def test_a_kernel_that_only_slows_down_peaks_at_one_thread() -> None:
    usl = scaling_of({n: float(n) for n in (1, 2, 3, 4)}).usl
    assert usl is not None
    assert usl.peak_threads == 1 or usl.contention >= 1
    assert usl.most_speed_up is not None
    assert usl.most_speed_up == pytest.approx(1, abs=0.01)


def test_points_tell_medians_and_what_they_are_worth() -> None:
    scaling = measure_scaling(
        [
            *(Conversion(threads=2, kernel_s=time_s, total_s=1) for time_s in (6.0, 5.0, 9.0)),
            *(Conversion(threads=1, kernel_s=time_s, total_s=2) for time_s in (8.0, 7.5, 30.0)),
        ],
        cores=4,
    )
    one, two = scaling.points
    assert (one.threads, one.kernel.median_s, one.speed_up) == (1, 8.0, 1)
    assert one.serial_fraction is None
    assert (two.kernel.min_s, two.kernel.median_s, two.kernel.max_s) == (5.0, 6.0, 9.0)
    assert two.speed_up == pytest.approx(8 / 6)
    assert two.efficiency == pytest.approx(8 / 6 / 2)
    assert two.total_speed_up == 2
    # Karp and Flatt: (1/speed-up - 1/N) / (1 - 1/N).
    assert two.serial_fraction == pytest.approx((6 / 8 - 1 / 2) / (1 / 2))
    assert "times with 1 thread differ by a factor of 4.0" in scaling.notes


@pytest.mark.parametrize(
    ("threads", "amdahl", "usl"),
    [
        ((1,), False, False),
        ((1, 2), False, False),
        ((1, 2, 4), True, False),
        ((1, 2, 3, 4), True, True),
    ],
)
def test_too_few_points_give_no_law_and_say_so(
    threads: tuple[int, ...], amdahl: bool, usl: bool
) -> None:
    scaling = scaling_of({n: law_s(n, contention=0.1) for n in threads})
    assert (scaling.amdahl is not None, scaling.usl is not None) == (amdahl, usl)
    notes = " ".join(scaling.notes)
    assert ("no fit of Amdahl's law" in notes) is not amdahl
    assert ("no fit of the USL" in notes) is not usl


def test_threads_that_share_cores_are_told_and_left_out_of_the_laws() -> None:
    times = {n: law_s(n, contention=0.1) for n in (1, 2, 3, 4)} | {8: 1.0, 16: 2.0}
    scaling = scaling_of(times, cores=4)
    assert scaling.amdahl is not None
    assert scaling.usl is not None
    assert scaling.amdahl.threads == scaling.usl.threads == (1, 2, 3, 4)
    assert scaling.amdahl.contention == pytest.approx(0.1, abs=1e-4)
    assert "8 and 16 threads share the server's 4 cores" in scaling.notes


def test_without_enough_cores_the_laws_say_what_they_were_fitted_to() -> None:
    scaling = scaling_of({1: 1.0, 2: 0.5, 4: 0.6}, cores=2)
    assert scaling.amdahl is not None
    assert scaling.amdahl.threads == (1, 2, 4)
    assert any("Amdahl's law is fitted to threads that share cores" in n for n in scaling.notes)


def test_cores_that_are_not_known_are_told() -> None:
    assert "--server-cores" in scaling_of({1: 1.0}, cores=None).notes[0]


def test_without_one_thread_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(ValueError, match="no conversion with one thread"):
        scaling_of({2: 1.0, 4: 0.5})


def test_a_law_predicts_the_time_that_it_was_fitted_to() -> None:
    usl = scaling_of({n: law_s(n, contention=0.2, coherency=0.01) for n in (1, 2, 4, 8)}).usl
    assert usl is not None
    for threads in (1, 5, 8):
        expected_s = law_s(threads, contention=0.2, coherency=0.01)
        assert usl.predict_s(threads) == pytest.approx(expected_s, rel=1e-3)
    assert math.isclose(usl.peak_threads or 0, math.sqrt((1 - 0.2) / 0.01), rel_tol=0.01)
