import pytest

from dispatcher.pools.health import (
    FailureKind,
    HealthPolicy,
    attempt_timeout_s,
    eject,
    ejection_s,
    may_readmit,
    readmit,
    should_eject,
)
from dispatcher.pools.replica import Replica, ReplicaState

POLICY = HealthPolicy()


@pytest.fixture
def replica() -> Replica:
    return Replica(url="http://127.0.0.1:5000", step="default/0", state=ReplicaState.READY)


# How long an answer may take


def test_the_first_answer_may_take_longest(replica: Replica) -> None:
    for work in (1, 16):
        assert attempt_timeout_s(replica, POLICY, work=work) == POLICY.max_attempt_timeout_s == 60.0


@pytest.mark.parametrize(
    ("item_s", "work", "timeout_s"),
    [
        (0.001, 1, 10.0),
        (1.25, 1, 10.0),
        (1.25, 2, 20.0),
        (0.5, 8, 32.0),
        (7.5, 1, 60.0),
        (60.0, 16, 60.0),
    ],
)
def test_later_answers_may_take_a_multiple_of_what_that_much_work_usually_takes(
    replica: Replica, item_s: float, work: int, timeout_s: float
) -> None:
    replica.record_success(item_s * 4, items=4, work=4)
    assert attempt_timeout_s(replica, POLICY, work=work) == pytest.approx(timeout_s)


def test_what_is_usual_follows_the_latest_answers(replica: Replica) -> None:
    replica.record_success(1.0, items=4, work=4)
    replica.record_success(2.0, items=4, work=8)
    assert replica.ewma_latency_s == pytest.approx(1.2)
    assert replica.ewma_item_s == pytest.approx(0.25)
    for _ in range(100):
        replica.record_success(3.0, items=1, work=2)
    assert replica.ewma_latency_s == pytest.approx(3.0)
    assert replica.ewma_item_s == pytest.approx(1.5)
    assert replica.served == 108


# When a replica is ejected


@pytest.mark.parametrize("ready", [1, 2])
def test_one_that_is_gone_is_ejected_at_once_even_the_last(replica: Replica, ready: int) -> None:
    replica.record_failure(1)
    assert should_eject(replica, POLICY, failure=FailureKind.GONE, ready=ready)


def test_one_that_is_silent_is_ejected_at_once_unless_it_is_the_last(replica: Replica) -> None:
    replica.record_failure(1)
    assert should_eject(replica, POLICY, failure=FailureKind.SILENT, ready=2)
    assert not should_eject(replica, POLICY, failure=FailureKind.SILENT, ready=1)


def test_one_that_answers_wrongly_is_ejected_at_the_third_time_in_a_row(replica: Replica) -> None:
    decisions = []
    for _ in range(4):
        replica.record_failure(2)
        decisions.append(should_eject(replica, POLICY, failure=FailureKind.WRONG, ready=2))
    assert decisions == [False, False, True, True]
    assert replica.errors == 8


def test_a_good_answer_in_between_starts_the_count_anew(replica: Replica) -> None:
    for _ in range(2):
        replica.record_failure(1)
    replica.record_success(0.1, items=1, work=1)
    replica.record_failure(1)
    assert not should_eject(replica, POLICY, failure=FailureKind.WRONG, ready=2)


def test_the_last_ready_replica_is_never_ejected_for_wrong_answers(replica: Replica) -> None:
    for _ in range(100):
        replica.record_failure(1)
    assert not should_eject(replica, POLICY, failure=FailureKind.WRONG, ready=1)


# How long it stays out, and how it comes back


def test_an_ejected_replica_gets_no_work(replica: Replica) -> None:
    assert replica.room == 2
    eject(replica, until=105.0)
    assert replica.state is ReplicaState.EJECTED
    assert (replica.room, replica.ejections, replica.ejected_until) == (0, 1, 105.0)


@pytest.mark.parametrize("failure", [FailureKind.SILENT, FailureKind.WRONG])
def test_each_ejection_lasts_longer_than_the_one_before(
    replica: Replica, failure: FailureKind
) -> None:
    durations = []
    for _ in range(6):
        durations.append(ejection_s(replica, POLICY, failure=failure))
        eject(replica, until=0.0)
    assert durations == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_one_that_was_gone_may_come_back_with_the_next_probe(replica: Replica) -> None:
    for _ in range(10):
        assert ejection_s(replica, POLICY, failure=FailureKind.GONE) == 0.0
        eject(replica, until=0.0)


def test_ejections_beyond_any_count_have_a_duration(replica: Replica) -> None:
    replica.ejections = 1000
    assert ejection_s(replica, POLICY, failure=FailureKind.WRONG) == POLICY.max_ejection_s


@pytest.mark.parametrize(
    ("state", "now", "may"),
    [
        (ReplicaState.STARTING, 0.0, True),
        (ReplicaState.EJECTED, 104.9, False),
        (ReplicaState.EJECTED, 105.0, True),
        (ReplicaState.READY, 200.0, False),
    ],
)
def test_a_good_probe_readmits_when_it_is_time(
    replica: Replica, state: ReplicaState, now: float, may: bool
) -> None:
    replica.state, replica.ejected_until = state, 105.0
    assert may_readmit(replica, now=now) is may


def test_a_readmitted_replica_is_what_it_says_it_is(replica: Replica) -> None:
    for _ in range(3):
        replica.record_failure(1)
    eject(replica, until=0.0)
    replica.failed_probes = 5
    readmit(replica, revision="r2", max_batch_size=8)
    assert replica.is_ready
    assert (replica.revision, replica.max_batch_size, replica.room) == ("r2", 8, 16)
    assert (replica.consecutive_failures, replica.failed_probes) == (0, 0)


def test_only_good_work_makes_earlier_ejections_forgotten(replica: Replica) -> None:
    eject(replica, until=0.0)
    readmit(replica, revision="r1", max_batch_size=1)
    assert replica.ejections == 1
    replica.record_success(0.1, items=1, work=1)
    assert replica.ejections == 0
