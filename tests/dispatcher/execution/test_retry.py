import random

import pytest

from dispatcher.execution.retry import GiveUp, Retry, RetryPolicy, Tried, decide
from dispatcher.jobs import JobError
from dispatcher.pools.errors import (
    AttemptError,
    AttemptTimeoutError,
    InvalidResponseError,
    ItemRejectedError,
    NotSentError,
    ReplicaFailedError,
    ReplicaLostError,
    ReplicaRejectedError,
)

POLICY = RetryPolicy()
FAULTS = [ReplicaLostError, AttemptTimeoutError, InvalidResponseError, ReplicaFailedError]


def decision(
    error: AttemptError, attempts: int, *, seed: int = 1, has_other: bool = True
) -> Retry | GiveUp:
    tried = Tried(tries=attempts, attempts=attempts)
    return decide(error, tried, has_other=has_other, policy=POLICY, jitter=random.Random(seed))


def fate(*errors: AttemptError) -> Retry | GiveUp:
    """What is decided after the last of these, for an item that travels alone after the first."""
    tried = Tried()
    for number, error in enumerate(errors):
        tried = tried.after(error, alone=number > 0)
    return decide(errors[-1], tried, policy=POLICY, jitter=random.Random(1))


def test_replicas_that_flap_keep_no_item_for_ever() -> None:
    def untouched(tries: int) -> Retry | GiveUp:
        error = NotSentError("ejected")
        return decide(error, Tried(tries=tries), policy=POLICY, jitter=random.Random(1))

    assert isinstance(untouched(POLICY.max_tries - 1), Retry)
    given_up = untouched(POLICY.max_tries)
    assert isinstance(given_up, GiveUp)
    assert given_up.error.code == "no_capacity"


def test_an_item_is_tried_three_times() -> None:
    assert POLICY.max_attempts == 3


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_replica_is_tried_again_until_the_attempts_are_used_up(
    fault: type[AttemptError],
) -> None:
    assert isinstance(decision(fault("no luck"), 1), Retry)
    assert isinstance(decision(fault("no luck"), 2), Retry)
    for attempts in (3, 4):
        given_up = decision(fault("no luck"), attempts)
        assert isinstance(given_up, GiveUp)
        assert given_up.error.code == fault.code
        assert "no luck" in given_up.error.detail
        assert str(attempts) in given_up.error.detail


@pytest.mark.parametrize("attempts", [0, 1, 3, 11])
def test_an_item_that_never_left_is_tried_again_beyond_the_third_time(attempts: int) -> None:
    assert isinstance(decision(NotSentError("ejected"), attempts), Retry)


def test_a_judgement_is_final_at_the_first_attempt_and_keeps_its_words() -> None:
    given_up = decision(ItemRejectedError("image_corrupt", "It ends early."), 1)
    assert given_up == GiveUp(JobError("image_corrupt", "It ends early."))


@pytest.mark.parametrize(("attempts", "longest_s"), [(0, 0.05), (1, 0.05), (2, 0.1)])
def test_the_pause_before_a_retry_doubles_and_is_spread(attempts: int, longest_s: float) -> None:
    pauses = []
    for seed in range(500):
        retry = decision(NotSentError("ejected"), attempts, seed=seed)
        assert isinstance(retry, Retry)
        pauses.append(retry.delay_s)
    assert 0 <= min(pauses) < 0.1 * longest_s
    assert 0.9 * longest_s < max(pauses) <= longest_s


@pytest.mark.parametrize("attempts", [7, 50, 1000])
def test_no_pause_is_longer_than_the_longest(attempts: int) -> None:
    policy = RetryPolicy(max_attempts=10_000, max_tries=10_000)
    for seed in range(100):
        retry = decide(
            ReplicaLostError("reset"),
            Tried(tries=attempts, attempts=attempts),
            policy=policy,
            jitter=random.Random(seed),
        )
        assert isinstance(retry, Retry)
        assert retry.delay_s <= policy.max_delay_s


# Judgements of a replica


def test_a_request_that_was_refused_with_4xx_is_never_tried_again() -> None:
    given_up = decision(ReplicaRejectedError("the replica answered with 400"), 1)
    assert isinstance(given_up, GiveUp)
    assert given_up.error.code == "replica_rejected"


@pytest.mark.parametrize(
    ("asked_s", "paused_s"), [(0.0, 0.0), (3.0, 3.0), (10.0, 10.0), (1e9, 10.0)]
)
def test_a_replica_that_asks_to_be_left_alone_is_up_to_a_limit(
    asked_s: float, paused_s: float
) -> None:
    retry = decision(ReplicaFailedError("503", retry_after_s=asked_s), 1, has_other=False)
    assert isinstance(retry, Retry)
    assert paused_s <= retry.delay_s <= paused_s + POLICY.base_delay_s


def test_another_replica_is_asked_without_that_pause() -> None:
    retry = decision(ReplicaFailedError("503", retry_after_s=9.0), 1, has_other=True)
    assert isinstance(retry, Retry)
    assert retry.delay_s <= POLICY.base_delay_s


# Poison


def test_an_item_that_may_have_killed_a_replica_by_itself_waits_until_it_is_back() -> None:
    lost = ReplicaLostError("the connection broke")
    first, second = fate(lost), fate(lost, lost)
    assert isinstance(first, Retry)
    assert not first.when_whole, "others were in work, too, and most of these are innocent"
    assert isinstance(second, Retry)
    assert second.when_whole


def test_an_item_that_was_in_work_each_time_that_a_replica_died_is_poison() -> None:
    lost = ReplicaLostError("the connection broke")
    given_up = fate(lost, lost, lost)
    assert isinstance(given_up, GiveUp)
    assert given_up.error == JobError("poison", "Gave up after 3 attempts: the connection broke.")


@pytest.mark.parametrize("place", [0, 1])
def test_an_item_that_failed_otherwise_as_well_is_not_called_poison(place: int) -> None:
    errors: list[AttemptError] = [ReplicaLostError("reset")] * 2
    errors.insert(place, AttemptTimeoutError("no answer"))
    given_up = fate(*errors)
    assert isinstance(given_up, GiveUp)
    assert given_up.error.code == "replica_lost"


def test_an_item_that_no_replica_had_come_to_is_not_called_poison() -> None:
    given_up = fate(*[NotSentError("ejected")] * POLICY.max_tries)
    assert isinstance(given_up, GiveUp)
    assert given_up.error.code == "no_capacity"
