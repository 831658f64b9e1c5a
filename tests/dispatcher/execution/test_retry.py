import random

import pytest

from dispatcher.errors import (
    AttemptError,
    AttemptTimeoutError,
    InvalidResponseError,
    ItemRejectedError,
    NotSentError,
    ReplicaFailedError,
    ReplicaLostError,
)
from dispatcher.execution.retry import GiveUp, Retry, RetryPolicy, decide
from dispatcher.jobs import JobError

POLICY = RetryPolicy()
FAULTS = [ReplicaLostError, AttemptTimeoutError, InvalidResponseError, ReplicaFailedError]


def decision(error: AttemptError, attempts: int, *, seed: int = 1) -> Retry | GiveUp:
    return decide(
        error, attempts=attempts, tries=attempts, policy=POLICY, jitter=random.Random(seed)
    )


def test_replicas_that_flap_keep_no_item_for_ever() -> None:
    def untouched(tries: int) -> Retry | GiveUp:
        error = NotSentError("ejected")
        return decide(error, attempts=0, tries=tries, policy=POLICY, jitter=random.Random(1))

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
            attempts=attempts,
            tries=attempts,
            policy=policy,
            jitter=random.Random(seed),
        )
        assert isinstance(retry, Retry)
        assert retry.delay_s <= policy.max_delay_s
