from typing import Any

import pytest

from load_tester.figures.rates import Rates, measure_rates
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Mode
from tests.load_tester.records import make_record, make_run


def rates_of(*records: ImageRecord, **changes: Any) -> Rates:
    return measure_rates(make_run(*records, **changes))


def steady(count: int, *, per_s: int, latency_s: float) -> list[ImageRecord]:
    """Images at equal distances that all take the same time."""
    return [
        make_record(n, sched_s=n / per_s, sent_s=n / per_s, seen_s=n / per_s + latency_s)
        for n in range(count)
    ]


def test_throughput_spans_from_the_first_send_to_the_last_result() -> None:
    rates = rates_of(*(make_record(n) for n in range(10)), make_record(10, Outcome.REFUSED))
    assert (rates.span_s, rates.completed_per_s) == (10.0, 1.0)


def test_without_a_result_there_is_no_throughput() -> None:
    rates = rates_of(make_record(0, Outcome.FAILED))
    assert (rates.span_s, rates.completed_per_s, rates.goodput_per_s) == (None, None, 0.0)


def test_a_service_that_keeps_up_has_the_rate_of_the_plan_as_its_goodput() -> None:
    rates = rates_of(*steady(900, per_s=90, latency_s=0.03), planned=(90,) * 10)
    assert (rates.target_per_s, rates.achieved_per_s, rates.goodput_per_s) == (90.0, 90.0, 90.0)


def test_a_service_that_falls_behind_has_its_own_rate_as_its_goodput() -> None:
    behind = [
        make_record(n, sched_s=n / 100, sent_s=n / 100, seen_s=(n + 1) / 50) for n in range(1000)
    ]
    assert rates_of(*behind, planned=(100,) * 10).goodput_per_s == pytest.approx(50, rel=0.001)


def test_one_straggler_does_not_change_the_goodput() -> None:
    records = [*steady(99, per_s=10, latency_s=0.1), make_record(99, sched_s=9.9, seen_s=60.0)]
    assert rates_of(*records, planned=(10,) * 10).goodput_per_s == 10.0


def test_what_was_sent_after_the_plan_is_not_achieved() -> None:
    late = make_record(3, sched_s=1.9, sent_s=2.4)
    rates = rates_of(*steady(3, per_s=2, latency_s=0.1), late, planned=(2, 2))
    assert (rates.target_per_s, rates.achieved_per_s) == (2.0, 1.5)


def test_rates_leave_out_the_warm_up() -> None:
    rates = rates_of(*steady(20, per_s=2, latency_s=0.1), planned=(2,) * 10, warm_up_s=5.0)
    assert (rates.target_per_s, rates.goodput_per_s) == (2.0, 2.0)


def test_a_stopped_run_is_measured_up_to_where_it_was_stopped() -> None:
    unsent = [make_record(n, Outcome.NOT_SENT, reason="interrupted") for n in range(5, 50)]
    rates = rates_of(*(make_record(n) for n in range(5)), *unsent, interrupted=True)
    assert rates.target_per_s == pytest.approx(5 / 4)


def test_a_closed_loop_has_no_target() -> None:
    rates = rates_of(*(make_record(n) for n in range(10)), mode=Mode.CLOSED)
    assert rates.target_per_s is None
    assert rates.goodput_per_s == 1.0
