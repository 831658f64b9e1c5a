"""How each file that was sent fared. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from load_tester.figures.latency import measure_spread
from load_tester.figures.window import measured_records
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Picture, Run

MOST_FILES: Final = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRow:
    """The measured images of one file; latencies are those that ended ok."""

    file: str
    size_bytes: int | None
    width: int | None
    height: int | None
    images: int
    ok: int
    mean_s: float | None
    p50_s: float | None
    p95_s: float | None
    max_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FileTable:
    """The slowest files first, by their mean; at most 300 of `files`."""

    files: int
    rows: list[FileRow]


def measure_files(run: Run) -> FileTable:
    """Return how each file fared; those without a right result come last."""
    groups = defaultdict[str, list[ImageRecord]](list)
    for record in measured_records(run):
        groups[record.file].append(record)
    rows = [_sum_up(file, group, run.pictures.get(file)) for file, group in groups.items()]
    rows.sort(key=lambda row: (-1.0 if row.mean_s is None else row.mean_s, row.file), reverse=True)
    return FileTable(files=len(rows), rows=rows[:MOST_FILES])


def _sum_up(file: str, group: Sequence[ImageRecord], picture: Picture | None) -> FileRow:
    done = [record for record in group if record.outcome is Outcome.OK]
    times_s = [value for record in done if (value := record.end_to_end_s) is not None]
    spread = measure_spread(times_s)
    return FileRow(
        file=file,
        size_bytes=None if picture is None else picture.size_bytes,
        width=None if picture is None else picture.width,
        height=None if picture is None else picture.height,
        images=len(group),
        ok=len(done),
        mean_s=sum(times_s) / len(times_s) if times_s else None,
        p50_s=spread.p50_s,
        p95_s=spread.p95_s,
        max_s=spread.max_s,
    )
