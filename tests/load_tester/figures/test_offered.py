from load_tester.figures.offered import measure_offered
from load_tester.record import Outcome
from load_tester.run import Mode
from tests.load_tester.records import make_record
from tests.load_tester.report.sample_run import make_asked, make_run


def test_seconds_of_the_same_load_are_measured_together() -> None:
    rows = measure_offered(make_run())
    assert [(row.mean_per_s, row.seconds, row.images) for row in rows] == [
        (8, 5, 50),
        (10, 10, 100),
        (12, 5, 50),
    ]
    assert sum(row.ok for row in rows) == sum(r.outcome is Outcome.OK for r in make_run().records)


def test_many_loads_are_put_into_at_most_twelve_groups() -> None:
    planned = tuple(range(1, 101))
    records = tuple(make_record(second, second=second + 1) for second in range(100))
    rows = measure_offered(make_run(planned=planned, records=records))
    assert len(rows) == 12
    assert sum(row.images for row in rows) == 100
    assert [row.to_per_s + 1 for row in rows[:-1]] == [row.from_per_s for row in rows[1:]]
    assert all(row.from_per_s <= row.mean_per_s <= row.to_per_s for row in rows)


def test_a_second_without_images_offers_no_load() -> None:
    rows = measure_offered(make_run(planned=(0, 1), records=(make_record(1),)))
    assert [(row.mean_per_s, row.seconds) for row in rows] == [(1, 1)]


def test_the_warm_up_is_left_out() -> None:
    rows = measure_offered(make_run(asked=make_asked(warm_up_s=10.0)))
    assert [(row.mean_per_s, row.images) for row in rows] == [(8, 50), (12, 50)]


def test_a_closed_loop_offers_nothing() -> None:
    assert measure_offered(make_run(asked=make_asked(mode=Mode.CLOSED))) == []
    assert measure_offered(make_run(planned=(), records=())) == []
