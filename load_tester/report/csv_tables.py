"""The run as two tables for spreadsheets: one row a second, one row an image. Pure."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import astuple, fields
from typing import Final

from load_tester.figures.parts import list_steps
from load_tester.figures.series import Second, count_seconds
from load_tester.record import ImageRecord
from load_tester.report.printable import make_printable
from load_tester.run import Run

_FIELDS: Final = (
    *("index", "attempt", "second", "file", "target", "outcome", "reason"),
    *("sched_s", "sent_s", "accepted_s", "seen_s"),
    *("lateness_s", "submit_s", "end_to_end_s", "from_send_s"),
    *("queue_time_s", "processing_time_s", "polls", "from_cache", "coalesced"),
    *("replica", "request_id", "top_label"),
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

Cell = str | int | float | bool | None


def write_seconds(run: Run) -> Iterator[bytes]:
    """Yield the lines of `seconds.csv`: what was asked for, sent and completed in each second."""
    rows = (astuple(second) for second in count_seconds(run))
    return _write_table([field.name for field in fields(Second)], rows)


def write_images(run: Run) -> Iterator[bytes]:
    """Yield the lines of `images.csv`: every record, with the label it should have had.

    Durations and moments are in seconds; what is not known is empty. Each step that the service
    timed has a column of its own.
    """
    steps = list_steps(run.records)
    head = [*_FIELDS, "true_label", *(f"step {step}" for step in steps)]
    return _write_table(head, (_write_row(record, run, steps) for record in run.records))


def _write_row(record: ImageRecord, run: Run, steps: Iterable[str]) -> list[Cell]:
    known: list[Cell] = [getattr(record, name) for name in _FIELDS]
    return [*known, run.labels.get(record.file), *(record.steps_s.get(step) for step in steps)]


def _write_table(head: list[str], rows: Iterable[Iterable[Cell]]) -> Iterator[bytes]:
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    writer.writerow([_disarm(cell) for cell in head])
    for cells in rows:
        yield _take(line)
        writer.writerow([_disarm(cell) for cell in cells])
    yield _take(line)


def _take(line: io.StringIO) -> bytes:
    """Return what was written since the last time."""
    text = line.getvalue()
    line.seek(0)
    line.truncate()
    return text.encode()


def _disarm(cell: Cell) -> Cell:
    """Keep a stranger's text, such as a file's name, from being run as a formula.

    Nor does it drive the terminal that shows the table; a line end is a part of its cell.
    """
    if not isinstance(cell, str):
        return cell
    shown = make_printable(cell, keep="\n")
    return f"'{shown}" if cell.startswith(_FORMULA) else shown
