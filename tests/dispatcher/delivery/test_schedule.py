from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from dispatcher.delivery.schedule import (
    DELAYS_S,
    JITTER,
    MAX_DELAY_S,
    MAX_TRIES,
    delay_s,
    read_retry_after,
)

NOW = 1_700_000_000.0


def test_there_are_ten_tries_in_seventy_five_hours_and_a_half() -> None:
    assert MAX_TRIES == 10
    assert sum(DELAYS_S) == 75 * 3600 + 35 * 60 + 5


def test_pauses_grow_and_end_with_the_last_try() -> None:
    pauses = [delay_s(tries, jitter=0.5) for tries in range(1, MAX_TRIES + 1)]
    assert pauses == [*DELAYS_S, None]
    assert list(DELAYS_S) == sorted(DELAYS_S)


def test_a_pause_is_shorter_or_longer_by_a_tenth() -> None:
    assert delay_s(2, jitter=0.0) == pytest.approx(DELAYS_S[1] * (1 - JITTER))
    assert delay_s(2, jitter=1.0) == pytest.approx(DELAYS_S[1] * (1 + JITTER))


def test_a_receiver_may_ask_for_a_longer_pause_but_not_for_a_shorter_one() -> None:
    assert delay_s(1, jitter=0.5, retry_after_s=60.0) == 60.0
    assert delay_s(2, jitter=0.5, retry_after_s=1.0) == DELAYS_S[1]
    assert delay_s(1, jitter=0.5, retry_after_s=1e9) == MAX_DELAY_S
    assert delay_s(MAX_TRIES, jitter=0.5, retry_after_s=60.0) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        (format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True), 90.0),
        (format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True), 0.0),
        ("9" * 5000, 999_999_999.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("1.5", None),
        ("٣", None),
        ("Mon, 01 Jan 99999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999", None),
    ],
)
def test_what_a_receiver_asks_for_is_a_number_or_a_date(text: str, expected: float | None) -> None:
    assert read_retry_after({"Retry-After": text}, now=NOW) == expected


def test_a_receiver_need_not_ask_for_anything() -> None:
    assert read_retry_after({}, now=NOW) is None
