import random

import pytest

from dispatcher.telemetry.drain import DrainMeter


def worked_off(meter: DrainMeter, *, since: float, jobs: int, per_second: float) -> float:
    """Work off jobs at a steady rate; return when the last of them ended."""
    now = since
    for _ in range(jobs):
        now += 1 / per_second
        meter.add(now)
    return now


def test_nothing_is_known_at_first() -> None:
    assert DrainMeter().per_second(1000.0) == 0.0


@pytest.mark.parametrize("per_second", [0.2, 3.0, 50.0, 2000.0])
def test_the_rate_is_that_at_which_jobs_end_while_some_wait(per_second: float) -> None:
    meter = DrainMeter()
    meter.note(is_waiting=True, now=100.0)
    now = worked_off(meter, since=100.0, jobs=400, per_second=per_second)
    assert meter.per_second(now) == pytest.approx(per_second, rel=0.1)


def test_what_ends_while_nothing_waits_says_nothing() -> None:
    meter = DrainMeter()
    now = worked_off(meter, since=100.0, jobs=60, per_second=1.0)
    assert meter.per_second(now) == 0.0


def test_an_idle_hour_does_not_make_the_rate_look_low() -> None:
    meter = DrainMeter()
    meter.note(is_waiting=True, now=100.0)
    now = worked_off(meter, since=100.0, jobs=100, per_second=50.0)
    meter.note(is_waiting=False, now=now)
    for second in range(3600):  # a job now and then, for which nobody has to wait
        meter.add(now + second)
    later = now + 3600.0
    assert meter.per_second(later) == pytest.approx(50.0, rel=0.1)
    meter.note(is_waiting=True, now=later)
    assert meter.per_second(later + 0.01) == pytest.approx(50.0, rel=0.1)


def test_a_few_ends_are_not_enough_to_know() -> None:
    meter = DrainMeter()
    meter.note(is_waiting=True, now=100.0)
    for _ in range(3):
        meter.add(100.1)
    assert meter.per_second(100.1) == 0.0
    meter.add(100.2)
    assert meter.per_second(100.2) == pytest.approx(20.0)


def test_a_rate_that_changes_is_followed_within_the_window() -> None:
    meter = DrainMeter()
    meter.note(is_waiting=True, now=100.0)
    now = worked_off(meter, since=100.0, jobs=1000, per_second=50.0)
    now = worked_off(meter, since=now, jobs=110, per_second=10.0)
    assert meter.per_second(now) == pytest.approx(10.0, rel=0.1)


def test_jobs_of_a_minute_each_are_measured_over_more_than_the_window() -> None:
    meter = DrainMeter()
    meter.note(is_waiting=True, now=100.0)
    now = worked_off(meter, since=100.0, jobs=10, per_second=1 / 30)
    assert meter.per_second(now) == pytest.approx(1 / 30, rel=0.01)


def test_while_nothing_ends_the_rate_falls_until_it_is_unknown() -> None:
    meter = DrainMeter()
    meter.note(is_waiting=True, now=100.0)
    now = worked_off(meter, since=100.0, jobs=20, per_second=10.0)
    rates = [meter.per_second(now + pause_s) for pause_s in (0.0, 5.0, 60.0, 700.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 0.0


def test_to_say_twice_that_jobs_wait_changes_nothing() -> None:
    once, twice = DrainMeter(), DrainMeter()
    once.note(is_waiting=True, now=100.0)
    for second in range(10):
        twice.note(is_waiting=True, now=100.0 + second)
        for meter in (once, twice):
            meter.add(100.5 + second)
    assert once.per_second(110.0) == twice.per_second(110.0) > 0.0


@pytest.mark.parametrize("seed", range(3))
def test_however_waiting_and_idle_times_alternate_the_rate_is_that_of_the_waiting(
    seed: int,
) -> None:
    dice, meter, now = random.Random(seed), DrainMeter(), 100.0
    for _ in range(40):
        meter.note(is_waiting=True, now=now)
        now = worked_off(meter, since=now, jobs=dice.randrange(20, 60), per_second=80.0)
        meter.note(is_waiting=False, now=now)
        now += dice.uniform(0.0, 100.0)
        meter.add(now)
        assert meter.per_second(now) == pytest.approx(80.0, rel=0.2)
