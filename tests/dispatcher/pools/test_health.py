import itertools
from math import inf

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
    replica.record_success(item_s * 4, items=4, work=4, now=0.0)
    assert attempt_timeout_s(replica, POLICY, work=work) == pytest.approx(timeout_s)


@pytest.mark.parametrize(
    ("item_s", "timeout_s"), [(0.001, 2.0), (0.25, 2.0), (1.0, 8.0), (60.0, 60.0)]
)
def test_a_first_attempt_is_given_up_sooner(
    replica: Replica, item_s: float, timeout_s: float
) -> None:
    replica.record_success(item_s, items=1, work=1, now=0.0)
    assert attempt_timeout_s(replica, POLICY, work=1, is_first=True) == pytest.approx(timeout_s)


def test_what_is_usual_follows_the_latest_answers(replica: Replica) -> None:
    replica.record_success(1.0, items=4, work=4, now=0.0)
    replica.record_success(2.0, items=4, work=8, now=0.0)
    assert replica.ewma_latency_s == pytest.approx(1.2)
    assert replica.ewma_item_s == pytest.approx(0.25)
    for _ in range(100):
        replica.record_success(3.0, items=1, work=2, now=0.0)
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


def test_one_that_is_late_is_ejected_at_the_third_time_in_a_row(replica: Replica) -> None:
    decisions = []
    for _ in range(3):
        replica.record_failure(1)
        decisions.append(should_eject(replica, POLICY, failure=FailureKind.LATE, ready=2))
    assert decisions == [False, False, True]


def test_a_good_answer_in_between_starts_the_count_anew(replica: Replica) -> None:
    for _ in range(2):
        replica.record_failure(1)
    replica.record_success(0.1, items=1, work=1, now=0.0)
    replica.record_failure(1)
    assert not should_eject(replica, POLICY, failure=FailureKind.WRONG, ready=2)


def test_one_on_trial_is_ejected_at_its_first_wrong_answer(replica: Replica) -> None:
    eject(replica, now=100.0, duration_s=5.0)
    readmit(replica, revision="r1", max_batch_size=4, now=105.0)
    replica.record_failure(1)
    assert should_eject(replica, POLICY, failure=FailureKind.WRONG, ready=2)
    assert not should_eject(replica, POLICY, failure=FailureKind.WRONG, ready=1)


def test_the_last_ready_replica_is_never_ejected_for_wrong_answers(replica: Replica) -> None:
    for _ in range(100):
        replica.record_failure(1)
    assert not should_eject(replica, POLICY, failure=FailureKind.WRONG, ready=1)


# How long it stays out, and how it comes back


def test_an_ejected_replica_gets_no_work(replica: Replica) -> None:
    assert replica.room == 2
    eject(replica, now=100.0, duration_s=5.0)
    assert replica.state is ReplicaState.EJECTED
    assert (replica.room, replica.ejections, replica.ejected_until) == (0, 1, 105.0)


@pytest.mark.parametrize("failure", [FailureKind.SILENT, FailureKind.WRONG])
def test_each_ejection_lasts_longer_than_the_one_before(
    replica: Replica, failure: FailureKind
) -> None:
    durations = []
    for _ in range(6):
        durations.append(ejection_s(replica, POLICY, failure=failure))
        eject(replica, now=0.0, duration_s=0.0)
    assert durations == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_one_that_was_gone_may_come_back_with_the_next_probe(replica: Replica) -> None:
    assert ejection_s(replica, POLICY, failure=FailureKind.GONE) == 0.0


def test_one_that_is_gone_again_before_any_good_work_stays_out_longer_each_time(
    replica: Replica,
) -> None:
    durations = []
    for _ in range(6):
        durations.append(ejection_s(replica, POLICY, failure=FailureKind.GONE))
        eject(replica, now=0.0, duration_s=0.0)
    assert durations == [0.0, 5.0, 10.0, 20.0, 40.0, 60.0]


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
    assert may_readmit(replica, POLICY, now=now, ready=2, known=3) is may


def test_one_that_comes_and_goes_is_readmitted_every_five_seconds_at_most(
    replica: Replica,
) -> None:
    def may(now: float) -> bool:
        return may_readmit(replica, POLICY, now=now, ready=1, known=2)

    came = []
    for tenth in range(10_000, 10_200):
        now = tenth / 10
        if replica.is_ready and tenth % 10 == 0:
            eject(replica, now=now, duration_s=0.0)
        elif may(now):
            readmit(replica, revision="r1", max_batch_size=4, now=now)
            replica.record_success(0.1, items=1, work=1, now=now)
            came.append(now)
    assert came[0] == 1000.1, "the first time at once"
    gaps = [later - earlier for earlier, later in itertools.pairwise(came)]
    assert gaps
    assert min(gaps) >= POLICY.base_ejection_s == 5.0


@pytest.mark.parametrize(("ready", "may"), [(0, True), (1, True), (2, False), (4, False)])
def test_while_most_of_a_pool_is_out_none_waits_longer_than_the_first_time(
    replica: Replica, ready: int, may: bool
) -> None:
    eject(replica, now=100.0, duration_s=60.0)
    assert not may_readmit(replica, POLICY, now=104.9, ready=ready, known=4)
    assert may_readmit(replica, POLICY, now=105.0, ready=ready, known=4) is may
    assert may_readmit(replica, POLICY, now=160.0, ready=ready, known=4)


def test_a_readmitted_replica_is_what_it_says_it_is(replica: Replica) -> None:
    for _ in range(3):
        replica.record_failure(1)
    eject(replica, now=0.0, duration_s=0.0)
    replica.failed_probes = 5
    readmit(replica, revision="r2", max_batch_size=8, now=0.0)
    assert replica.is_ready
    assert (replica.revision, replica.max_batch_size) == ("r2", 8)
    assert (replica.consecutive_failures, replica.failed_probes) == (0, 0)


def test_only_good_work_makes_earlier_ejections_forgotten(replica: Replica) -> None:
    eject(replica, now=0.0, duration_s=0.0)
    readmit(replica, revision="r1", max_batch_size=1, now=0.0)
    assert replica.ejections == 1
    replica.record_success(0.1, items=1, work=1, now=0.0)
    assert replica.ejections == 0


def test_a_readmitted_replica_gets_one_item_until_it_has_answered_one_well(
    replica: Replica,
) -> None:
    eject(replica, now=0.0, duration_s=0.0)
    readmit(replica, revision="r1", max_batch_size=8, now=0.0)
    assert (replica.is_on_trial, replica.room) == (True, 1)
    replica.take_on(now=0.0)
    assert replica.room == 0
    replica.ongoing = 0
    replica.record_success(0.1, items=1, work=1, now=0.1)
    assert (replica.is_on_trial, replica.room) == (False, 16)


# How fast it is


def test_a_picture_a_hundred_times_as_large_makes_no_replica_slow(replica: Replica) -> None:
    for _ in range(50):
        replica.record_success(0.01, items=1, work=1, now=0.0)
    replica.record_success(1.0, items=1, work=1, now=0.0)
    assert replica.pace_s == pytest.approx(0.01 * 100**0.2)
    assert 0.01 * 100**0.2 < 0.03


def test_a_replica_that_grows_slow_is_known_as_slow_after_a_few_answers(replica: Replica) -> None:
    replica.record_success(0.01, items=1, work=1, now=0.0)
    for _ in range(8):
        replica.record_success(0.2, items=1, work=1, now=0.0)
    assert replica.pace_s is not None
    assert replica.pace_s > 0.1


def test_an_answer_that_took_no_time_at_all_teaches_nothing(replica: Replica) -> None:
    replica.record_success(0.0, items=1, work=1, now=0.0)
    assert replica.pace_s is None
    replica.record_success(0.1, items=1, work=1, now=0.0)
    assert replica.pace_s == 0.1


def test_one_that_owes_an_answer_for_long_is_at_least_that_slow(replica: Replica) -> None:
    replica.max_batch_size = 4
    replica.record_success(0.01, items=1, work=1, now=100.0)
    assert replica.expected_pace_s(now=1000.0) == 0.01, "it owes nothing"
    replica.take_on(now=1000.0)
    assert replica.expected_pace_s(now=1000.049) == 0.01, "a pause that short says nothing"
    assert replica.expected_pace_s(now=1002.0) == pytest.approx(2.0)
    for _ in range(7):
        replica.take_on(now=1001.0)
    assert replica.expected_pace_s(now=1002.0) == pytest.approx(0.5), "a batch comes at once"
    replica.record_success(0.01, items=1, work=1, now=1002.0)
    assert replica.expected_pace_s(now=1002.02) == pytest.approx(0.01)


def test_of_one_that_never_answered_nothing_is_known(replica: Replica) -> None:
    assert replica.expected_pace_s(now=5.0) is None
    assert (replica.ejected_at, replica.readmitted_at) == (-inf, -inf)
