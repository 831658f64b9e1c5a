import random
from itertools import accumulate

import pytest

from load_tester.figures.flight import measure_flight
from load_tester.record import Outcome
from load_tester.run import GeneratorSample
from tests.load_tester.records import make_record
from tests.load_tester.report.sample_run import make_run


def make_sample(at_s: float, in_flight: int) -> GeneratorSample:
    return GeneratorSample(
        at_s=at_s,
        cpu=0.0,
        machine_cpu=0.0,
        stolen=0.0,
        waited=0.0,
        loop_lag_s=0.0,
        rss_bytes=0,
        in_flight=in_flight,
        cores=1,
    )


def test_littles_law_holds_for_any_traffic() -> None:
    rng = random.Random(1)
    sends = list(accumulate(rng.expovariate(50) for _ in range(2000)))
    records = tuple(
        make_record(index, sched_s=at_s, sent_s=at_s, seen_s=at_s + rng.expovariate(10))
        for index, at_s in enumerate(sends)
    )
    flight = measure_flight(make_run(records=records, generator=()), width_s=1)
    assert flight is not None
    # 50 a second that stay 0.1 s each are 5 under way.
    assert flight.computed == pytest.approx(5, rel=0.1)
    whole = [row.recorded for row in flight.rows if row.at_s + 1 <= flight.span_s]
    assert sum(whole) / len(whole) == pytest.approx(flight.computed, rel=0.02)


def test_the_counter_of_the_load_tester_stands_beside_what_was_computed() -> None:
    record = make_record(0, sent_s=0.0, seen_s=2.0)
    samples = (make_sample(0.5, 1), make_sample(1.0, 3), make_sample(9.0, 50))
    flight = measure_flight(make_run(records=(record,), planned=(1,), generator=samples), width_s=1)
    assert flight is not None
    assert flight.sampled == 2  # the last sample lies after the last result
    assert flight.computed == pytest.approx(1)
    assert [row.sampled for row in flight.rows][:2] == [1, 3]


def test_images_without_an_end_are_left_out_and_nothing_but_them_is_nothing() -> None:
    lost = make_record(1, Outcome.TIMED_OUT)
    flight = measure_flight(make_run(records=(make_record(0), lost)), width_s=1)
    assert flight is not None
    assert flight.images == 1
    assert measure_flight(make_run(records=(lost,)), width_s=1) is None
