"""How much may wait, and what those are told who may not."""

import random
from dataclasses import replace

import pytest

from dispatcher.errors import NoReplicaError, OverloadedError, RateLimitedError
from dispatcher.intake.admission import (
    MAX_RETRY_AFTER_S,
    MIN_RETRY_AFTER_S,
    UNKNOWN_RETRY_AFTER_S,
    Limits,
    Load,
    StandingQueues,
    admit,
    retry_after_s,
)

IDLE = Load(depth=0, capacity=200, slots=32)
LIMITS = Limits(capacity_bytes=1000, max_age_s=300.0)


class Middle(random.Random):
    """A die that always falls on the middle."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


def check(load: Load, *, size_bytes: int = 100) -> None:
    admit(load, LIMITS, size_bytes=size_bytes)


# Shares


def test_one_tenant_has_its_share_of_the_queue_and_no_more() -> None:
    check(replace(IDLE, depth=150, waiting_of_tenant=99, tenant_share=100))
    with pytest.raises(RateLimitedError, match="100 of your jobs"):
        check(replace(IDLE, depth=150, waiting_of_tenant=100, tenant_share=100))


def test_a_tenant_that_shares_with_nobody_has_all_of_it() -> None:
    check(replace(IDLE, depth=199, waiting_of_tenant=199, tenant_share=None))


# Bounds


@pytest.mark.parametrize("depth", [0, 1, 199])
def test_a_job_is_taken_while_there_is_space(depth: int) -> None:
    check(replace(IDLE, depth=depth))


@pytest.mark.parametrize("depth", [200, 201])
def test_a_full_queue_takes_no_more(depth: int) -> None:
    with pytest.raises(OverloadedError) as refused:
        check(replace(IDLE, depth=depth))
    assert str(depth) in refused.value.detail


def test_no_more_bytes_of_images_wait_than_may() -> None:
    check(replace(IDLE, depth=9, waiting_bytes=900))
    with pytest.raises(OverloadedError):
        check(replace(IDLE, depth=9, waiting_bytes=901))


def test_an_image_larger_than_all_that_may_wait_waits_alone() -> None:
    check(IDLE, size_bytes=5000)
    with pytest.raises(OverloadedError):
        check(replace(IDLE, depth=1, waiting_bytes=1), size_bytes=5000)


def test_while_the_oldest_job_is_too_old_none_is_taken() -> None:
    check(replace(IDLE, depth=1, oldest_age_s=300.0))
    with pytest.raises(OverloadedError) as refused:
        check(replace(IDLE, depth=1, oldest_age_s=300.5))
    assert "300 s" in refused.value.detail


def test_age_counts_only_while_jobs_wait() -> None:
    check(replace(IDLE, depth=0, oldest_age_s=1000.0))


def test_a_pipeline_that_has_had_no_replica_for_long_takes_no_more() -> None:
    check(replace(IDLE, slots=0, starved_s=60.0))
    with pytest.raises(NoReplicaError) as refused:
        check(replace(IDLE, slots=0, starved_s=61.0))
    assert (refused.value.status, refused.value.code) == (503, "no_capacity")


# Standing queues


def test_a_burst_may_fill_the_queue() -> None:
    check(replace(IDLE, depth=199, pending=231, is_standing=False))


def test_a_standing_queue_is_kept_as_short_as_keeps_the_replicas_busy() -> None:
    check(replace(IDLE, pending=9, is_standing=True))
    with pytest.raises(OverloadedError):
        check(replace(IDLE, pending=10, is_standing=True))


def test_a_pipeline_without_replicas_has_no_standing_queue() -> None:
    check(replace(IDLE, depth=100, pending=100, slots=0, is_standing=True))


@pytest.fixture
def standing() -> StandingQueues:
    return StandingQueues(burst_s=10.0)


def refuse(standing: StandingQueues, *times: float) -> None:
    for now in times:
        standing.note_refused("a", now=now)


def test_a_queue_stands_when_jobs_were_refused_for_longer_than_a_burst(
    standing: StandingQueues,
) -> None:
    assert not standing.is_standing("a", now=100.0)
    refuse(standing, 100.0, 105.0, 110.0)
    assert not standing.is_standing("a", now=110.0)
    assert standing.is_standing("a", now=110.1)
    assert not standing.is_standing("b", now=110.1), "another pipeline's does not"


def test_two_short_bursts_make_no_standing_queue(standing: StandingQueues) -> None:
    refuse(standing, 100.0, 105.0, 116.0, 120.0)
    assert not standing.is_standing("a", now=120.0)


def test_a_queue_stands_until_nobody_was_refused_for_as_long_as_a_burst(
    standing: StandingQueues,
) -> None:
    refuse(standing, 100.0, 109.0, 118.0)
    assert standing.is_standing("a", now=128.0)
    assert not standing.is_standing("a", now=128.1)
    refuse(standing, 130.0)
    assert not standing.is_standing("a", now=130.0), "a new burst"


# When to come back


@pytest.mark.parametrize(
    ("depth", "drain_rate", "seconds"),
    [
        (200, 20.0, 5),
        (200, 10.0, 10),
        (200, 30.0, 4),
        (200, 100.0, 1),
        (200, 1e9, MIN_RETRY_AFTER_S),
        (1, 1.0, MIN_RETRY_AFTER_S),
        (0, 1.0, MIN_RETRY_AFTER_S),
        (200, 0.1, MAX_RETRY_AFTER_S),
        (200, 1e-300, MAX_RETRY_AFTER_S),
        (200, 0.0, UNKNOWN_RETRY_AFTER_S),
        (1, 0.0, UNKNOWN_RETRY_AFTER_S),
    ],
)
def test_one_comes_back_when_half_of_the_queue_is_worked_off(
    depth: int, drain_rate: float, seconds: int
) -> None:
    assert retry_after_s(depth, drain_rate, jitter=Middle()) == seconds


def test_the_longer_the_queue_the_later_one_comes_back() -> None:
    waits = [retry_after_s(depth, 10.0, jitter=Middle()) for depth in range(2000)]
    assert waits == sorted(waits)
    assert set(waits) == set(range(MIN_RETRY_AFTER_S, MAX_RETRY_AFTER_S + 1))


def test_those_who_are_refused_together_do_not_come_back_together() -> None:
    dice = random.Random(1)
    waits = [retry_after_s(200, 10.0, jitter=dice) for _ in range(1000)]
    assert set(waits) == {9, 10, 11, 12}
    assert {retry_after_s(0, 10.0, jitter=dice) for _ in range(100)} == {MIN_RETRY_AFTER_S}
    assert {retry_after_s(9999, 0.1, jitter=dice) for _ in range(100)} == {MAX_RETRY_AFTER_S}
