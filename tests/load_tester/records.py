"""Made-up records for tests of what is computed from them."""

from typing import Any

from load_tester.record import ImageRecord, Outcome


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
