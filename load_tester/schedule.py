"""The schedule: how many images each second sends, and when exactly. Pure but for one file read."""

import csv
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from load_tester.errors import ScheduleError

# The 56 seconds that the reference load test replays.
DEFAULT_SCHEDULE: tuple[int, ...] = (
    *(4, 8, 11, 15, 19, 22, 26, 30, 30, 30, 30, 30, 30, 30, 10, 2, 2, 2, 2, 2),
    *(30, 30, 30, 30, 27, 2, 2, 2, 2, 2, 30, 30, 30, 30, 30, 30, 1, 2, 2, 2, 2, 2),
    *(30, 30, 30, 30, 30, 27, 30, 26, 23, 19, 16, 12, 9, 5),
)
# Beyond this a schedule is a slip of the finger, and its plan would fill the memory.
MAX_IMAGES = 1_000_000
MAX_SECONDS = 86_400
# The names under which a table may keep its images per second.
COLUMNS = ("images", "images_per_second", "schedule")

_INLINE = re.compile(r"[\s\[\],\d.+-]+", re.ASCII)
# Longer numbers are too large whatever they say, and slow to read.
_WHOLE = re.compile(r"\d{1,100}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PlannedSend:
    """One image to be sent: its number, its second (from 1) and its moment in seconds from 0."""

    index: int
    second: int
    at_s: float


def read_schedule(text: str) -> tuple[int, ...]:
    """Return the images per second that `text` names: a list such as `4,8,11`, or a file.

    A file is CSV (a column called `images`, or every cell in reading order), JSON (a list, or an
    object with `images`), JSONL (one entry or one such object a line) or a plain list.

    Raises ScheduleError when it cannot be read, or an entry is not a whole number from 0 up.
    """
    path = Path(text)
    if _INLINE.fullmatch(text):
        return check_schedule(_plain_entries(text))
    try:
        content = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as exc:
        raise ScheduleError(f"schedule is neither a list nor a file: {text!r}") from exc
    except (OSError, UnicodeDecodeError, ValueError) as exc:
        raise ScheduleError(f"cannot read the schedule {text!r}: {exc}") from exc
    try:
        return check_schedule(_file_entries(content, suffix=path.suffix.lower()))
    except ScheduleError as exc:
        raise ScheduleError(f"{path}: {exc}") from exc


def check_schedule(entries: Iterable[object]) -> tuple[int, ...]:
    """Return the entries as whole numbers; raises ScheduleError naming the first bad one."""
    schedule = tuple(_whole(entry, place) for place, entry in enumerate(entries, start=1))
    if sum(schedule) == 0:
        raise ScheduleError("the schedule sends no image")
    if sum(schedule) > MAX_IMAGES or len(schedule) > MAX_SECONDS:
        raise ScheduleError(
            f"the schedule is too large: at most {MAX_IMAGES} images in {MAX_SECONDS} seconds"
        )
    return schedule


def plan_sends(schedule: Sequence[int]) -> Iterator[PlannedSend]:
    """Yield every send in order, those of one second spread evenly from its beginning."""
    index = 0
    for second, count in enumerate(schedule, start=1):
        for place in range(count):
            yield PlannedSend(index=index, second=second, at_s=second - 1 + place / count)
            index += 1


def schedule_hash(schedule: Sequence[int]) -> str:
    """Return a short digest: two runs with the same one were asked for the same sends."""
    moments = ",".join(f"{send.at_s:.6f}" for send in plan_sends(schedule))
    return hashlib.sha256(moments.encode()).hexdigest()[:16]


def _whole(entry: object, place: int) -> int:
    """Return one entry as a whole number from 0 up."""
    if isinstance(entry, int) and not isinstance(entry, bool) and entry >= 0:
        return entry
    if isinstance(entry, str) and _WHOLE.fullmatch(entry.strip()):
        return int(entry)
    shown = entry if isinstance(entry, str) else json.dumps(entry)
    raise ScheduleError(f"schedule entry {place} is not a whole number from 0 up: {shown[:40]}")


def _plain_entries(text: str) -> list[str]:
    """Split a list at commas and blanks; the brackets that the log prints around it may stay."""
    listed = text.strip().removeprefix("[").removesuffix("]").strip().removesuffix(",")
    return [entry for part in listed.split(",") for entry in (part.split() or [""])]


def _file_entries(content: str, *, suffix: str) -> list[object]:
    """Return the raw entries of a schedule file, by its ending."""
    if suffix == ".json":
        return _json_entries(_loads(content))
    if suffix in {".jsonl", ".ndjson"}:
        return [_json_entry(_loads(line)) for line in content.splitlines() if line.strip()]
    if suffix == ".csv":
        return list(_csv_entries(content))
    lines = (line.partition("#")[0].strip() for line in content.splitlines())
    return list(_plain_entries(",".join(line.removesuffix(",") for line in lines if line)))


def _loads(text: str) -> object:
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ScheduleError(f"not JSON: {exc}") from exc
    return parsed


def _json_entries(parsed: object) -> list[object]:
    entries = _json_entry(parsed)
    if not isinstance(entries, list):
        raise ScheduleError("not a JSON list of images per second")
    return [_json_entry(entry) for entry in entries]


def _json_entry(parsed: object) -> object:
    """Return what an object keeps under the first known name, or anything else as it is."""
    if not isinstance(parsed, dict):
        return parsed
    for column in COLUMNS:
        if column in parsed:
            return parsed[column]
    raise ScheduleError(f"an object without {COLUMNS[0]!r}")


def _csv_entries(content: str) -> Iterator[str]:
    """Yield the named column when there is a header, else every cell in reading order."""
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(content.splitlines()) if row]
    except csv.Error as exc:
        raise ScheduleError(f"not CSV: {exc}") from exc
    if not rows:
        return
    header = [cell.lower() for cell in rows[0]]
    column = next((header.index(name) for name in COLUMNS if name in header), None)
    for row in rows if column is None else rows[1:]:
        if column is None:
            yield from row
        else:
            yield row[column] if column < len(row) else ""
