"""When a webhook is tried again: the schedule of Standard Webhooks, ten tries in 75.6 hours."""

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
DELAYS_S: Final = (
    5.0,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
"""Pauses after each failed try but the last. Source: the Standard Webhooks specification, which
makes the first try at once."""
MAX_TRIES: Final = len(DELAYS_S) + 1
JITTER: Final = 0.1
"""Part of a pause by which it may be shorter or longer: receivers are not called in step."""
MAX_DELAY_S: Final = DELAYS_S[-1] * (1 + JITTER)
_MAX_DIGITS: Final = 9


def delay_s(tries: int, *, jitter: float, retry_after_s: float | None = None) -> float | None:
    """Return the pause after a failed try, in seconds; None when it was the last one.

    Args:
        tries: how many there were, at least 1.
        jitter: a random number from 0 to 1.
        retry_after_s: what the receiver asked for; it may lengthen a pause up to the longest of
            the schedule, and never shortens one.
    """
    if tries >= MAX_TRIES:
        return None
    planned_s = DELAYS_S[tries - 1] * (1 - JITTER + 2 * JITTER * jitter)
    return min(max(planned_s, retry_after_s or 0.0), MAX_DELAY_S)


def read_retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the seconds that a receiver asks to wait (RFC 9110, 10.2.3); None without a usable
    number or date.

    Args:
        headers: of its answer.
        now: Unix seconds.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:_MAX_DIGITS])
    try:
        moment = parsedate_to_datetime(text)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return max(0.0, aware.timestamp() - now)
    except (ValueError, OverflowError):
        return None
