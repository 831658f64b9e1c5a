import random

from dispatcher.pools.replica import Replica, ReplicaState
from dispatcher.pools.routing import choose_replica, note_choice


def replica(
    name: str,
    *,
    ongoing: int = 0,
    latency_s: float | None = None,
    pace_s: float | None = None,
    passed_over: int = 0,
    owes_since: float = 0.0,
    served: int = 0,
    state: ReplicaState = ReplicaState.READY,
    max_batch_size: int = 4,
) -> Replica:
    return Replica(
        url=name,
        step="default/0",
        state=state,
        ongoing=ongoing,
        ewma_latency_s=latency_s,
        pace_s=pace_s,
        passed_over=passed_over,
        owes_since=owes_since,
        served=served,
        max_batch_size=max_batch_size,
    )


def chosen(
    *replicas: Replica, avoid: tuple[str, ...] = (), prefer: str = "", now: float = 0.0
) -> str | None:
    found = choose_replica(replicas, avoid=avoid, prefer=prefer, now=now)
    return None if found is None else found.url


def test_there_is_nobody_to_choose_of_none() -> None:
    assert chosen() is None


def test_the_least_loaded_gets_the_next_item() -> None:
    assert chosen(replica("a", ongoing=2), replica("b", ongoing=1), replica("c", ongoing=3)) == "b"


def test_among_equals_the_faster_one_gets_it() -> None:
    assert chosen(replica("a", latency_s=0.2), replica("b", latency_s=0.1)) == "b"


def test_one_that_has_never_answered_is_tried_first() -> None:
    assert chosen(replica("a", latency_s=0.1), replica("b")) == "b"


def test_among_equals_that_are_as_fast_the_one_that_served_less_gets_it() -> None:
    assert chosen(replica("a", served=5), replica("b", served=3)) == "b"


def test_only_a_ready_replica_gets_work() -> None:
    starting = replica("a", state=ReplicaState.STARTING)
    ejected = replica("b", state=ReplicaState.EJECTED)
    assert chosen(starting, ejected) is None
    assert chosen(starting, ejected, replica("c", ongoing=7)) == "c"


def test_one_that_has_done_part_of_the_work_is_preferred_unless_it_is_much_busier() -> None:
    assert chosen(replica("a"), replica("b", ongoing=4), prefer="b") == "b"
    assert chosen(replica("a"), replica("b", ongoing=5), prefer="b") == "a"
    assert chosen(replica("a", ongoing=3), replica("b", ongoing=7), prefer="b") == "b"
    assert chosen(replica("a", ongoing=7), replica("b", ongoing=8), prefer="b") == "a", "no room"


def test_a_preferred_one_that_is_not_there_or_not_ready_makes_no_difference() -> None:
    gone = replica("b", state=ReplicaState.EJECTED)
    assert chosen(replica("a", ongoing=1), replica("c"), prefer="b") == "c"
    assert chosen(replica("a", ongoing=1), gone, replica("c"), prefer="b") == "c"


def test_a_preferred_one_that_failed_the_item_before_is_avoided() -> None:
    assert chosen(replica("a"), replica("b"), avoid=("b",), prefer="b") == "a"
    assert chosen(replica("b"), avoid=("b",), prefer="b") == "b", "unless there is no other"


def test_a_replica_has_room_for_one_batch_in_work_and_one_that_is_next() -> None:
    assert chosen(replica("a", ongoing=7)) == "a"
    assert chosen(replica("a", ongoing=8)) is None
    assert chosen(replica("a", ongoing=9)) is None


def test_one_that_failed_the_item_gets_it_only_when_no_other_is_ready() -> None:
    failed_before, other = replica("a"), replica("b", ongoing=5)
    assert chosen(failed_before, other, avoid=("a",)) == "b"
    assert chosen(failed_before, avoid=("a",)) == "a"
    other.state = ReplicaState.EJECTED
    assert chosen(failed_before, other, avoid=("a",)) == "a"


def test_an_item_waits_for_another_replica_rather_than_going_back_to_one_that_failed_it() -> None:
    assert chosen(replica("a"), replica("b", ongoing=8), avoid=("a",)) is None


def test_who_is_not_known_can_be_avoided_without_harm() -> None:
    assert chosen(replica("a"), avoid=("", "gone")) == "a"


def test_the_choice_is_always_ready_has_room_and_is_least_loaded() -> None:
    dice = random.Random(1)
    for _ in range(2000):
        replicas = [
            replica(
                str(number),
                ongoing=dice.randrange(10),
                latency_s=dice.choice([None, 0.1, 0.2]),
                served=dice.randrange(3),
                state=dice.choice(list(ReplicaState)),
                max_batch_size=dice.choice([1, 4]),
            )
            for number in range(dice.randrange(6))
        ]
        avoid = {str(number) for number in range(6) if dice.random() < 0.3}
        ready = [r for r in replicas if r.is_ready]
        allowed = [r for r in ready if r.url not in avoid] or ready
        loads = [r.ongoing for r in allowed if r.ongoing < 2 * r.max_batch_size]
        found = choose_replica(replicas, avoid=avoid, now=0.0)
        if found is None:
            assert not loads
        else:
            assert found in allowed
            assert found.ongoing == min(loads)


# Slow replicas


def test_what_waits_at_a_slow_replica_counts_as_often_as_it_is_slower() -> None:
    fast = replica("fast", pace_s=0.01, ongoing=3)
    assert chosen(fast, replica("slow", pace_s=0.05)) == "fast"
    fast.ongoing = 5
    assert chosen(fast, replica("slow", pace_s=0.05)) == "slow"
    assert chosen(fast, replica("slow", pace_s=0.05, ongoing=1)) == "fast"


def test_a_little_slower_is_not_slow() -> None:
    usual, other = replica("usual", pace_s=0.01, ongoing=1), replica("other", pace_s=0.039)
    assert chosen(usual, other) == "other"


def test_an_item_had_better_wait_for_a_fast_replica_that_is_full() -> None:
    fast = replica("fast", pace_s=0.01, ongoing=8)
    assert chosen(fast, replica("slow", pace_s=0.2)) is None
    assert chosen(fast, replica("slow", pace_s=0.08)) == "slow", "it would be done sooner"
    assert chosen(replica("slow", pace_s=0.2)) == "slow", "there is no other"


def test_a_slow_replica_gets_an_item_now_and_then_to_see_whether_it_has_recovered() -> None:
    fast, slow = replica("fast", pace_s=0.01), replica("slow", pace_s=0.2)
    replicas = [fast, slow]
    got = []
    for _ in range(4000):
        found = choose_replica(replicas, now=0.0)
        assert found is not None
        note_choice(replicas, found)
        got.append(found.url)
    assert 5 <= got.count("slow") <= 15, "fewer than one in a hundred"


def test_of_several_slow_replicas_no_more_items_are_slow() -> None:
    replicas = [replica("fast", pace_s=0.01), *(replica(f"s{n}", pace_s=0.2) for n in range(4))]
    got = []
    for _ in range(8000):
        found = choose_replica(replicas, now=0.0)
        assert found is not None
        note_choice(replicas, found)
        got.append(found.url)
    assert {f"s{n}" for n in range(4)} < set(got)
    assert got.count("fast") > 0.99 * len(got)


def test_a_slow_replica_that_has_not_answered_its_trial_gets_no_other() -> None:
    slow = replica("slow", pace_s=0.2, passed_over=10_000, ongoing=1)
    assert chosen(replica("fast", pace_s=0.01, ongoing=2), slow) == "fast"


def test_one_that_owes_an_answer_for_long_gets_no_more_items() -> None:
    silent = replica("silent", pace_s=0.01, ongoing=1, owes_since=100.0)
    busy = replica("busy", pace_s=0.01, ongoing=3, owes_since=100.59)
    assert chosen(silent, busy, now=100.01) == "silent"
    assert chosen(silent, busy, now=100.6) == "busy"


def test_when_all_are_as_slow_none_is() -> None:
    assert chosen(replica("a", pace_s=9.0, ongoing=1), replica("b", pace_s=9.0)) == "b"
