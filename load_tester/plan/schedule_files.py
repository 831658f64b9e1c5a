"""What stands in a schedule file, by its ending; nothing is checked yet but its form."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from load_tester.errors import ScheduleError

# The names under which a table may keep its images per second.
COUNT_COLUMNS = ("images", "images_per_second", "schedule")
# The name under which it keeps the moment of each image instead.
TIMESTAMP_COLUMN = "timestamp"


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of a file, as they are written there."""

    values: Sequence[object]
    are_timestamps: bool = False
    """Whether each is the moment of one image instead of the images of one second."""


def read_entries(content: str, *, suffix: str) -> Entries:
    """Return the entries in the text of a file; raises ScheduleError when it has another form."""
    if suffix == ".json":
        return _json_entries(_loads(content))
    if suffix in {".jsonl", ".ndjson"}:
        return _from_objects([_loads(line) for line in content.splitlines() if line.strip()])
    if suffix == ".csv":
        return _csv_entries(content)
    lines = (line.partition("#")[0].strip() for line in content.splitlines())
    return Entries(split_list(",".join(line.removesuffix(",") for line in lines if line)))


def split_list(text: str) -> list[str]:
    """Split a list at commas and blanks; the brackets that the log prints around it may stay."""
    listed = text.strip().removeprefix("[").removesuffix("]").strip().removesuffix(",")
    return [entry for part in listed.split(",") for entry in (part.split() or [""])]


def shorten(entry: object) -> str:
    """Return an entry as a message shows it."""
    shown = entry if isinstance(entry, str) else json.dumps(entry, default=str)
    return shown[:40]


def _loads(text: str) -> object:
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ScheduleError(f"not JSON: {exc}") from exc
    return parsed


def _json_entries(parsed: object) -> Entries:
    if isinstance(parsed, dict):
        whole = _from_objects([parsed])
        parsed = whole.values[0]
        if whole.are_timestamps and isinstance(parsed, list):
            return Entries(parsed, are_timestamps=True)
    if not isinstance(parsed, list):
        raise ScheduleError("not a JSON list of images per second")
    return _from_objects(parsed)


def _from_objects(entries: list[object]) -> Entries:
    """Return what objects keep under a known name, and anything else as it is.

    The first one says which name: images per second and timestamps never mix.
    """
    first = entries[0] if entries else None
    if isinstance(first, dict) and TIMESTAMP_COLUMN in first and not _count_name(first):
        return Entries([_stamp_in(entry) for entry in entries], are_timestamps=True)
    return Entries([_count_in(entry) for entry in entries])


def _count_in(entry: object) -> object:
    if not isinstance(entry, dict):
        return entry
    name = _count_name(entry)
    if name is None:
        raise ScheduleError(f"an object without {COUNT_COLUMNS[0]!r} or {TIMESTAMP_COLUMN!r}")
    return entry[name]


def _stamp_in(entry: object) -> object:
    if not isinstance(entry, dict) or TIMESTAMP_COLUMN not in entry:
        raise ScheduleError(f"an entry without {TIMESTAMP_COLUMN!r}: {shorten(entry)}")
    return entry[TIMESTAMP_COLUMN]


def _count_name(entry: dict[object, object]) -> str | None:
    return next((name for name in COUNT_COLUMNS if name in entry), None)


def _csv_entries(content: str) -> Entries:
    """Return the named column when there is a header, else every cell in reading order."""
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(content.splitlines()) if row]
    except csv.Error as exc:
        raise ScheduleError(f"not CSV: {exc}") from exc
    header = [cell.lower() for cell in rows[0]] if rows else []
    for name in (*COUNT_COLUMNS, TIMESTAMP_COLUMN):
        if name in header:
            column = list(_column(rows[1:], header.index(name)))
            return Entries(column, are_timestamps=name == TIMESTAMP_COLUMN)
    return Entries([cell for row in rows for cell in row])


def _column(rows: list[list[str]], index: int) -> Iterator[str]:
    return (row[index] if index < len(row) else "" for row in rows)
