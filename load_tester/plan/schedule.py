"""A schedule as people write it: a list of images per second, or a file that holds one."""

import re
from collections.abc import Iterable
from pathlib import Path

from load_tester.errors import ScheduleError
from load_tester.plan.demand import Counts, Demand, Moments, begin_at_zero
from load_tester.plan.schedule_files import Entries, read_entries, shorten, split_list
from load_tester.plan.timestamps import read_timestamps

# The 56 seconds that the reference load test replays.
DEFAULT_SCHEDULE: tuple[int, ...] = (
    *(4, 8, 11, 15, 19, 22, 26, 30, 30, 30, 30, 30, 30, 30, 10, 2, 2, 2, 2, 2),
    *(30, 30, 30, 30, 27, 2, 2, 2, 2, 2, 30, 30, 30, 30, 30, 30, 1, 2, 2, 2, 2, 2),
    *(30, 30, 30, 30, 30, 27, 30, 26, 23, 19, 16, 12, 9, 5),
)

_INLINE = re.compile(r"[\s\[\],\d.+-]+", re.ASCII)
# Longer numbers are too large whatever they say, and slow to read.
_WHOLE = re.compile(r"\d{1,100}", re.ASCII)


def read_schedule(text: str) -> Demand:
    """Return what `text` asks for: a list of images per second such as `4,8,11`, or a file.

    A file is CSV (a column called `images`, or every cell in reading order), JSON (a list, or an
    object with `images`), JSONL (one entry or one such object a line) or a plain list. Where it
    has `timestamp` in place of `images`, each entry is the moment of one image: seconds, or
    ISO 8601. Moments count from the earliest.

    Raises ScheduleError when it cannot be read, or an entry is not what it should be.
    """
    if _INLINE.fullmatch(text):
        return Counts(source="list", per_second=check_counts(split_list(text)))
    path = Path(text)
    content = read_file(path)
    try:
        return _read_demand(read_entries(content, suffix=path.suffix.lower()), path.name)
    except ScheduleError as exc:
        raise ScheduleError(f"{path}: {exc}") from exc


def read_file(path: Path) -> str:
    """Return the text of a file; raises ScheduleError when there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as exc:
        raise ScheduleError(f"schedule is neither a list nor a file: {str(path)!r}") from exc
    except (OSError, UnicodeDecodeError, ValueError) as exc:
        cause = getattr(exc, "strerror", None) or exc
        raise ScheduleError(f"cannot read the schedule {str(path)!r}: {cause}") from exc


def check_counts(entries: Iterable[object], *, first: int = 1) -> tuple[int, ...]:
    """Return the entries as whole numbers; raises ScheduleError naming the first bad one.

    `first` is the number by which the first of them is called.
    """
    return tuple(_whole(entry, place) for place, entry in enumerate(entries, start=first))


def _read_demand(entries: Entries, source: str) -> Counts | Moments:
    if entries.are_timestamps:
        return begin_at_zero(read_timestamps(entries.values), source=source)
    return Counts(source=source, per_second=check_counts(entries.values))


def _whole(entry: object, place: int) -> int:
    """Return one entry as a whole number from 0 up."""
    if isinstance(entry, int) and not isinstance(entry, bool) and entry >= 0:
        return entry
    if isinstance(entry, str) and _WHOLE.fullmatch(entry.strip()):
        return int(entry)
    raise ScheduleError(f"schedule entry {place} is not a whole number from 0 up: {shorten(entry)}")
