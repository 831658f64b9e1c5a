import random

import pytest

from load_tester.errors import FailedError
from load_tester.targets.polling import (
    FIRST_PAUSE_S,
    LONGEST_BROKEN_PAUSE_S,
    LONGEST_PAUSE_S,
    Habits,
    Looks,
    ServiceTimes,
    is_under_way,
    next_broken_pause_s,
    next_pause_s,
    read_retry_after,
)


def watch(habits: Habits, *, takes_s: float, holds: bool = False) -> tuple[int, float]:
    """Look for a job that takes so long, in virtual time; return the looks and how late it was."""
    looks, now_s = Looks(habits, accepted_s=0.0, is_done=False), 0.0
    while True:
        now_s += looks.pause_s
        looks.begin(now_s)
        if holds:
            now_s = max(now_s, takes_s)
        if now_s >= takes_s:
            looks.note_found(now_s)
            return looks.count, now_s - takes_s
        now_s += 0.0002
        looks.note_missed(202, retry_after_s=1.0, now_s=now_s)


def test_a_service_that_holds_answers_is_asked_once() -> None:
    habits = Habits()
    assert [watch(habits, takes_s=0.7, holds=True) for _ in range(20)] == [(1, 0.0)] * 20


def test_a_held_look_without_a_result_is_followed_at_once_by_another() -> None:
    looks = Looks(Habits(), accepted_s=0.0, is_done=False)
    looks.begin(0.0)
    looks.note_missed(202, retry_after_s=0.0, now_s=20.0)
    assert looks.pause_s == 0.0


def test_a_service_that_begins_to_hold_answers_is_noticed() -> None:
    habits = Habits()
    watch(habits, takes_s=0.05)
    assert not habits.is_held
    looks = Looks(habits, accepted_s=0.0, is_done=False)
    looks.begin(0.05)
    looks.note_missed(202, retry_after_s=0.0, now_s=20.05)
    assert habits.is_held


@pytest.mark.parametrize("takes_s", [0.02, 0.05, 0.2])
def test_steady_jobs_are_seen_within_two_milliseconds_by_three_looks(takes_s: float) -> None:
    habits, generator = Habits(), random.Random(1)
    seen = [watch(habits, takes_s=takes_s + generator.uniform(0, 0.002)) for _ in range(300)][20:]
    looks, late_s = zip(*seen, strict=True)
    assert sum(looks) / len(looks) <= 3
    assert sum(late_s) / len(late_s) <= 0.002
    assert sorted(late_s)[int(0.99 * len(late_s))] <= 0.005


def test_jobs_that_become_faster_are_not_looked_for_too_late_for_long() -> None:
    habits = Habits()
    for _ in range(200):
        watch(habits, takes_s=0.2)
    late_s = [watch(habits, takes_s=0.05)[1] for _ in range(400)]
    assert late_s[0] > 0.1
    assert sum(late_s[-50:]) / 50 <= 0.005


def test_a_job_from_the_cache_is_looked_for_at_once_and_teaches_nothing() -> None:
    habits = Habits()
    watch(habits, takes_s=0.2)
    expected_s = habits.times.first_look_s()
    looks = Looks(habits, accepted_s=0.0, is_done=True)
    assert looks.pause_s == 0.0
    looks.begin(0.0)
    looks.note_found(0.001)
    assert habits.times.first_look_s() == expected_s > 0.1


def test_the_first_look_comes_when_a_tenth_of_the_jobs_are_done() -> None:
    times = ServiceTimes()
    assert times.first_look_s() == 0.0
    values_s = list(range(1, 201))
    random.Random(2).shuffle(values_s)
    for value_s in values_s:
        times.add(before_s=value_s, seen_s=value_s)
    assert times.first_look_s() == sorted(values_s[-100:])[10]


def test_pauses_grow_up_to_a_bound_and_then_with_the_time_that_the_job_takes() -> None:
    pauses = [0.0]
    for _ in range(20):
        pauses.append(next_pause_s(pauses[-1], elapsed_s=0.1))
    assert pauses[1] == FIRST_PAUSE_S
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S
    assert next_pause_s(LONGEST_PAUSE_S, elapsed_s=30.0) == pytest.approx(0.3)


def test_a_broken_or_busy_service_is_asked_ever_more_seldom() -> None:
    looks = Looks(Habits(), accepted_s=0.0, is_done=False)
    pauses = []
    for _ in range(30):
        looks.begin(0.0)
        looks.note_broken()
        pauses.append(looks.pause_s)
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_BROKEN_PAUSE_S
    looks.note_missed(503, retry_after_s=2.0, now_s=0.0)
    assert looks.pause_s == 2.0
    assert next_broken_pause_s(0.0, retry_after_s=600.0) == 5.0


@pytest.mark.parametrize(
    ("status", "under_way"), [(202, True), (429, False), (500, False), (502, False), (503, False)]
)
def test_a_look_without_an_end_finds_the_job_under_way_or_the_service_broken(
    status: int, under_way: bool
) -> None:
    assert is_under_way(status) is under_way


@pytest.mark.parametrize(
    ("status", "reason"), [(404, "lost_404"), (410, "lost_410"), (401, "http_401"), (301, "http_3")]
)
def test_a_look_that_cannot_succeed_is_the_end(status: int, reason: str) -> None:
    with pytest.raises(FailedError, match=reason):
        is_under_way(status)


@pytest.mark.parametrize(
    ("text", "pause_s"), [("7", 7.0), ("", 0.0), ("-1", 0.0), ("soon", 0.0), ("\u0663", 0.0)]
)
def test_the_pause_that_a_service_asks_for_is_a_number_of_seconds(
    text: str, pause_s: float
) -> None:
    assert read_retry_after(text) == pause_s
