"""When chunks are offered, and when their carrier computes them itself."""

from math import inf

import pytest

from dispatcher.execution.sharing.policy import (
    Attention,
    Paces,
    SharingPolicy,
    is_worth_offering,
    patience,
)


@pytest.mark.parametrize(
    ("chunks", "here", "elsewhere", "expected"),
    [
        (8, 1, 1, True),
        (8, 1, 0, False),
        (8, 0, 1, True),
        (0, 1, 1, False),
        (8, 8, 8, False),
        (8, 7, 1, True),
        (4, 3, 1, True),
        (8, 4, 1, False),  # four and one need two rounds, too
        (8, 4, 3, False),
        (8, 4, 4, True),
        (1, 1, 100, False),
    ],
)
def test_chunks_are_offered_where_all_replicas_together_need_fewer_rounds(
    chunks: int, here: int, elsewhere: int, expected: bool
) -> None:
    found = is_worth_offering(chunks, here=here, elsewhere=elsewhere, chunk_s=1.0, cost_s=0.1)
    assert found is expected


@pytest.mark.parametrize(("chunk_s", "expected"), [(0.05, False), (0.09, True), (inf, True)])
def test_the_rounds_that_are_saved_must_take_longer_than_sharing(
    chunk_s: float, expected: bool
) -> None:
    found = is_worth_offering(8, here=2, elsewhere=2, chunk_s=chunk_s, cost_s=0.1)
    assert found is expected, "two rounds instead of four"


def test_how_long_a_chunk_takes_is_learnt_from_those_before() -> None:
    paces, policy = Paces(), SharingPolicy()
    large, small = policy.unknown_weight_bytes, policy.unknown_weight_bytes - 1
    assert paces.expected_s("a", policy, weight_bytes=large) == inf
    assert paces.expected_s("a", policy, weight_bytes=small) == 0.0
    paces.note("a", 0.5, weight_bytes=1_000_000)
    assert paces.expected_s("a", policy, weight_bytes=4_000_000) == pytest.approx(2.0)
    assert paces.expected_s("b", policy, weight_bytes=large) == inf
    for _ in range(30):
        paces.note("a", 0.1, weight_bytes=1_000_000)
    assert paces.expected_s("a", policy, weight_bytes=1_000_000) == pytest.approx(0.1, rel=0.01)


def test_who_sees_nothing_is_more_patient_and_who_can_do_nothing_most() -> None:
    policy = SharingPolicy()
    usual = patience(policy, is_blind=False, is_ready=True)
    blind = patience(policy, is_blind=True, is_ready=True)
    starved = patience(policy, is_blind=False, is_ready=False)
    assert usual < blind < starved == patience(policy, is_blind=True, is_ready=False)


def test_a_chunk_is_neglected_once_nobody_was_at_work_on_it_for_long_enough() -> None:
    attention = Attention()
    seen = [
        attention.neglected(["a"], in_work=(), patience_s=5.0, now=now) for now in (0.0, 4.9, 5.0)
    ]
    assert seen == [[], [], ["a"]]


def test_somebody_at_work_makes_the_patience_begin_anew() -> None:
    attention = Attention()
    attention.neglected(["a", "b"], in_work=(), patience_s=5.0, now=0.0)
    attention.neglected(["a", "b"], in_work={"b"}, patience_s=5.0, now=4.0)
    assert attention.neglected(["a", "b"], in_work=(), patience_s=5.0, now=8.0) == ["a"]
    assert attention.neglected(["a", "b"], in_work=(), patience_s=5.0, now=9.0) == ["a", "b"]
