"""The files a run leaves behind, written after it and never half."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from load_tester.errors import OutputError
from load_tester.record import ImageRecord, Outcome
from load_tester.schedule import schedule_hash
from load_tester.settings import LoadSettings
from load_tester.summary import Summary

REPORT_FILE = "report.json"
RAW_FILE = "raw.jsonl"
FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run: what was asked, when it began (UTC, ISO 8601), and what happened to each image."""

    settings: LoadSettings
    started_at: str
    image_files: int
    records: tuple[ImageRecord, ...]
    summary: Summary


def prepare_folder(folder: Path) -> None:
    """Make the folder; raises OutputError when it cannot be written, before a run is wasted."""
    probe = folder / f".{REPORT_FILE}.{os.getpid()}.probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as exc:
        raise OutputError(f"cannot write to the folder {folder}: {exc.strerror}") from exc


def write_report(run: Run, *, folder: Path) -> None:
    """Write the raw file, then the report; raises OutputError when the disk says no."""
    ordered = sorted(run.records, key=lambda record: record.index)
    head = {"kind": "run", "version": FORMAT_VERSION, **describe_run(run)}
    images = ({"kind": "image", **asdict(record)} for record in ordered)
    report = build_report(run)
    try:
        _write_whole(folder / RAW_FILE, (json.dumps(row) + "\n" for row in (head, *images)))
        _write_whole(folder / REPORT_FILE, (json.dumps(report, indent=2), "\n"))
    except OSError as exc:
        raise OutputError(f"cannot write the report to {folder}: {exc.strerror}") from exc


def build_report(run: Run) -> dict[str, Any]:
    """Return the report as it is written: durations in seconds, null where nothing is known."""
    summary = run.summary
    return {
        "version": FORMAT_VERSION,
        "run": describe_run(run),
        "interrupted": summary.interrupted,
        "counts": asdict(summary.counts),
        "discrepancies": summary.counts.find_discrepancies(),
        "reasons": summary.reasons,
        "latency": {
            "end_to_end": asdict(summary.end_to_end),
            "from_send": asdict(summary.from_send),
            "submit": asdict(summary.submit),
            "lateness": asdict(summary.lateness),
        },
        "throughput": {"completed_per_s": summary.completed_per_s, "span_s": summary.span_s},
        "cache": {"hits": summary.cache_hits, "coalesced": summary.coalesced},
        "service": {
            "mean_queue_time_s": summary.mean_queue_time_s,
            "mean_processing_time_s": summary.mean_processing_time_s,
        },
        "accuracy": None if summary.accuracy is None else asdict(summary.accuracy),
        "seconds": count_seconds(run.settings.schedule, run.records),
    }


def describe_run(run: Run) -> dict[str, Any]:
    """Return what is needed to run it again."""
    settings = run.settings
    return {
        "started_at": run.started_at,
        "url": settings.url,
        "images": str(settings.images),
        "image_files": run.image_files,
        "schedule": list(settings.schedule),
        "schedule_hash": schedule_hash(settings.schedule),
        "seed": settings.seed,
        "max_workers": settings.max_workers,
        "timeout_s": settings.timeout_s,
        "pipeline": settings.pipeline,
        "use_cache": settings.use_cache,
        "multipart": settings.multipart,
    }


def count_seconds(schedule: Sequence[int], records: Sequence[ImageRecord]) -> list[dict[str, int]]:
    """Return what was asked for, sent and completed in each second until the last result."""
    sent = Counter(int(record.sent_s) for record in records if record.sent_s is not None)
    done = Counter(
        int(record.seen_s)
        for record in records
        if record.outcome is Outcome.OK and record.seen_s is not None
    )
    length = max([len(schedule), *(second + 1 for second in (*sent, *done))])
    return [
        {
            "second": second + 1,
            "target": schedule[second] if second < len(schedule) else 0,
            "sent": sent[second],
            "completed": done[second],
        }
        for second in range(length)
    ]


def _write_whole(path: Path, pieces: Iterable[str]) -> None:
    """Write beside the file and rename, so that a reader finds the old file or the whole new."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
