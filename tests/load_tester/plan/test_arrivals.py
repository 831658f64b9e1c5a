import hashlib
import random
import struct
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tester.plan.arrivals import Arrivals, digest_moments, keep_moments, make_plan
from load_tester.plan.demand import Moments
from load_tester.plan.schedule import DEFAULT_SCHEDULE

schedules = st.lists(st.integers(0, 40), min_size=1, max_size=30)
kinds = st.sampled_from(Arrivals)


def test_even_sends_are_spread_over_their_second_from_its_beginning() -> None:
    sends = list(make_plan([2, 0, 4], source="list").sends())
    assert [send.at_s for send in sends] == [0.0, 0.5, 2.0, 2.25, 2.5, 2.75]
    assert [send.second for send in sends] == [1, 1, 3, 3, 3, 3]
    assert [send.index for send in sends] == list(range(6))


def test_the_last_second_of_a_day_is_as_exact_as_the_first() -> None:
    plan = make_plan([0] * 86_399 + [8], source="list")
    assert [at_s - 86_399 for at_s in plan.moments_s] == [place / 8 for place in range(8)]


@given(schedules, kinds, st.integers())
def test_every_second_has_exactly_its_images_in_order(
    schedule: list[int], arrivals: Arrivals, seed: int
) -> None:
    plan = make_plan(schedule, source="list", arrivals=arrivals, seed=seed)
    found = [0] * len(schedule)
    for send in plan.sends():
        assert send.second - 1 <= send.at_s < send.second
        found[send.second - 1] += 1
    assert found == schedule
    assert list(plan.moments_s) == sorted(plan.moments_s)


@given(schedules, kinds, st.integers())
def test_the_same_seed_gives_the_same_plan(
    schedule: list[int], arrivals: Arrivals, seed: int
) -> None:
    plans = [make_plan(schedule, source="list", arrivals=arrivals, seed=seed) for _ in range(2)]
    assert plans[0] == plans[1]


def test_another_seed_gives_other_moments_but_only_for_poisson() -> None:
    def digest(arrivals: Arrivals, seed: int) -> str:
        return make_plan(DEFAULT_SCHEDULE, source="", arrivals=arrivals, seed=seed).digest

    assert digest(Arrivals.POISSON, 1) != digest(Arrivals.POISSON, 2)
    assert digest(Arrivals.EVEN, 1) == digest(Arrivals.EVEN, 2)
    assert digest(Arrivals.EVEN, 1) != digest(Arrivals.POISSON, 1)


def test_a_draw_next_to_one_stays_in_its_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random.Random, "random", lambda _: 1 - 2**-53)
    plan = make_plan([0] * 86_399 + [1], source="list", arrivals=Arrivals.POISSON)
    assert plan.moments_s[0] < 86_400


def test_poisson_gaps_vary_as_much_as_their_mean() -> None:
    plan = make_plan([50] * 200, source="list", arrivals=Arrivals.POISSON, seed=7)
    gaps = [after - before for before, after in pairwise(plan.moments_s)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    # Exponential gaps have a deviation of their mean; even ones of nothing.
    assert 0.95 < deviation / mean < 1.05


def test_the_digest_is_that_of_the_moments_in_microseconds() -> None:
    # Whoever changes this makes old reports incomparable with new ones.
    micros = struct.pack("<6q", 0, 500_000, 1_000_000, 1_250_000, 1_500_000, 1_750_000)
    digest = make_plan([2, 4], source="list").digest
    assert digest == hashlib.sha256(micros).hexdigest()[:16]


def test_digests_tell_moments_apart_to_the_microsecond() -> None:
    assert digest_moments([0.5, 1.0]) == digest_moments([0.5, 1.0000000001])
    assert digest_moments([0.5, 1.0]) != digest_moments([0.5, 1.000002])


def test_a_million_sends_take_eight_bytes_each() -> None:
    plan = make_plan([10_000] * 100, source="list")
    assert isinstance(plan.moments_s, array)
    assert plan.moments_s.itemsize * len(plan.moments_s) == 8_000_000


def test_exact_moments_are_kept_and_counted_by_second() -> None:
    moments = Moments(source="trace", moments_s=[0.0, 0.999, 1.0, 3.5])
    plan = keep_moments(moments)
    assert list(plan.moments_s) == [0.0, 0.999, 1.0, 3.5]
    assert plan.per_second == (2, 1, 0, 1)
    assert [send.second for send in plan.sends()] == [1, 1, 2, 4]
