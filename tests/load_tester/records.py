"""Made-up records for tests of what is computed from them."""

from dataclasses import fields
from typing import Any

from load_tester.record import ImageRecord, Outcome
from load_tester.run import Asked, Mode, Run


def make_record(index: int, outcome: Outcome = Outcome.OK, **changes: Any) -> ImageRecord:
    """An image due at `index` seconds, sent 0.25 s late, accepted after 0.5 s, seen after 1 s."""
    ok, sent = outcome is Outcome.OK, outcome is not Outcome.NOT_SENT
    known: dict[str, Any] = {
        "index": index,
        "second": index + 1,
        "file": "drum.jpg",
        "outcome": outcome,
        "reason": None if ok else "because",
        "sched_s": float(index),
        "sent_s": index + 0.25 if sent else None,
        "accepted_s": index + 0.75 if ok else None,
        "seen_s": index + 1.25 if ok else None,
    }
    return ImageRecord(**(known | changes))


def make_run(*records: ImageRecord, mode: Mode = Mode.OPEN, **changes: Any) -> Run:
    """A run of those images, one planned for each second unless told otherwise."""
    asked: dict[str, Any] = {
        "mode": mode,
        "command": "load_tester.py",
        "targets": ("http://127.0.0.1:8080",),
        "source": "list",
        "plan_digest": "0123456789abcdef",
        "seed": 0,
        "timeout_s": 60.0,
        "max_workers": 50,
    }
    known: dict[str, Any] = {
        "started_at": "2025-06-25T11:22:41.523565",
        "planned": (1,) * len(records) if mode is Mode.OPEN else (len(records),),
        "records": records,
        "uploads": sum(record.outcome is not Outcome.NOT_SENT for record in records),
    }
    for name in set(changes) & {item.name for item in fields(Asked)}:
        asked[name] = changes.pop(name)
    return Run(asked=Asked(**asked), **(known | changes))
