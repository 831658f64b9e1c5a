"""Timestamps as traces write them: seconds as a number, or ISO 8601."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from load_tester.errors import ScheduleError
from load_tester.plan.schedule_files import shorten

_NUMBER = re.compile(r"[+-]?(\d{1,100}(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def read_timestamps(entries: Sequence[object]) -> list[float]:
    """Return the entries in seconds since some moment of their own, in the order given.

    Raises ScheduleError naming the first that is neither a finite number nor ISO 8601, or of
    another kind than those before it. A time without a zone is UTC.
    """
    if not entries:
        raise ScheduleError("the schedule sends no image")
    in_numbers = _read_number(entries[0]) is not None
    read = _read_number if in_numbers else _read_iso
    stamps = []
    for place, entry in enumerate(entries, start=1):
        stamp = read(entry)
        if stamp is None:
            kind = "a number of seconds" if in_numbers else "a time in ISO 8601"
            raise ScheduleError(f"timestamp {place} is not {kind}: {shorten(entry)}")
        stamps.append(stamp)
    return stamps


def _read_number(entry: object) -> float | None:
    if isinstance(entry, str) and _NUMBER.fullmatch(entry.strip()):
        entry = float(entry)
    if isinstance(entry, bool) or not isinstance(entry, int | float):
        return None
    try:
        return float(entry) if math.isfinite(entry) else None
    except OverflowError:
        return None


def _read_iso(entry: object) -> float | None:
    if not isinstance(entry, str):
        return None
    try:
        time = datetime.fromisoformat(entry.strip())
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
