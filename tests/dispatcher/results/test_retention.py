from dispatcher.results.retention import Retention


def filled(*, count: int, jobs: int, hits: int = 0) -> Retention:
    retention = Retention(retention_s=60.0, retention_count=count)
    for number in range(jobs):
        retention.add(f"job-{number}", is_hit=False, ended_at=float(number))
    for number in range(hits):
        retention.add(f"hit-{number}", is_hit=True, ended_at=float(number))
    return retention


def test_the_oldest_beyond_the_count_are_due() -> None:
    retention = filled(count=3, jobs=5)
    assert retention.has_surplus()
    assert retention.due(now=10.0) == ["job-0", "job-1"]


def test_hits_are_counted_apart() -> None:
    assert not filled(count=3, jobs=3, hits=3).has_surplus()
    assert filled(count=3, jobs=0, hits=4).due(now=10.0) == ["hit-0"]


def test_what_is_past_is_due_at_any_count() -> None:
    retention = filled(count=100, jobs=5)
    assert retention.due(now=61.5) == ["job-0", "job-1"]
    assert retention.due(now=1000.0) == [f"job-{number}" for number in range(5)]


def test_what_is_as_old_as_can_be_stays() -> None:
    assert filled(count=100, jobs=1).due(now=60.0) == []


def test_many_are_dropped_in_batches() -> None:
    assert not filled(count=1000, jobs=1020).has_surplus()
    retention = filled(count=1000, jobs=1021)
    assert retention.has_surplus()
    assert len(retention.due(now=0.0)) == 21


def test_few_are_dropped_one_by_one() -> None:
    assert filled(count=999, jobs=1000).has_surplus()


def test_what_is_forgotten_is_due_no_more() -> None:
    retention = filled(count=3, jobs=5)
    for job_id in retention.due(now=10.0):
        retention.discard(job_id)
    retention.discard("never seen")
    assert (len(retention), retention.due(now=10.0)) == (3, [])


def test_what_something_kept_for_longer_goes_first_once_it_may() -> None:
    retention = Retention(retention_s=60.0, retention_count=2)
    for number in (5, 6, 1):
        retention.add(f"job-{number}", is_hit=False, ended_at=float(number))
    assert retention.due(now=10.0) == ["job-1"]
    assert retention.due(now=62.0) == ["job-1"]
