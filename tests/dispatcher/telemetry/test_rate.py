import random

import pytest

from dispatcher.telemetry.rate import RateMeter


def test_nothing_has_happened_at_first() -> None:
    assert RateMeter().per_second(1000.0, window_s=10) == 0.0


def test_events_are_counted_over_the_window() -> None:
    meter = RateMeter()
    for second in range(100, 110):
        for _ in range(3):
            meter.add(second + 0.5)
    assert meter.per_second(109.9, window_s=10) == 3.0


@pytest.mark.parametrize(("now", "rate"), [(100.0, 0.1), (109.99, 0.1), (110.0, 0.0), (500.0, 0)])
def test_an_event_leaves_the_window_when_it_is_older(now: float, rate: float) -> None:
    meter = RateMeter()
    meter.add(100.0)
    assert meter.per_second(now, window_s=10) == rate


def test_reading_does_not_forget_what_a_longer_window_needs() -> None:
    meter = RateMeter()
    meter.add(100.0)
    assert meter.per_second(150.0, window_s=10) == 0.0
    assert meter.per_second(150.0, window_s=60) == pytest.approx(1 / 60)


def test_it_agrees_with_counting_by_hand() -> None:
    dice = random.Random(1)
    meter, now, events = RateMeter(), 1000.0, []
    for _ in range(2000):
        now += dice.expovariate(5)
        meter.add(now)
        events.append(now)
        window_s = dice.choice([1, 10, 60])
        expected = sum(int(event) > int(now) - window_s for event in events) / window_s
        assert meter.per_second(now, window_s=window_s) == pytest.approx(expected)
