"""What the person at the terminal reads: log lines on stderr, one summary on stdout."""

import logging
import sys

from load_tester.latency import Spread
from load_tester.summary import Summary

LOGGER = "load_tester"

_WIDTH = 18


def start_logging() -> None:
    """Send log lines to stderr as `2025-06-25 16:08:29,659 - INFO - message`."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s - %(levelname)s - %(message)s"))
    logger = logging.getLogger(LOGGER)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)


def write_out(text: str) -> None:
    """Write to stdout; nothing else in the load tester does."""
    sys.stdout.write(text)
    sys.stdout.flush()


def write_error(message: str) -> None:
    """Write one line to stderr on why the run cannot be."""
    sys.stderr.write(f"load_tester: {' '.join(message.split())}\n")


def render_summary(summary: Summary) -> str:
    """Return the summary as text, one figure a line."""
    counts = summary.counts
    lines = [
        "",
        "Load test interrupted" if summary.interrupted else "Load test finished",
        _row("scheduled", f"{counts.scheduled} = {counts.sent} sent + {counts.not_sent} not sent"),
        _row(
            "sent",
            f"{counts.sent} = {counts.ok} ok + {counts.refused} refused + {counts.failed} failed"
            f" + {counts.timed_out} timed out + {counts.wrong} wrong"
            f" + {counts.abandoned} abandoned",
        ),
        *(_row("", f"{number} x {reason}") for reason, number in summary.reasons.items()),
        *(_row("COUNTS DIFFER", sentence) for sentence in counts.find_discrepancies()),
        _row(
            "milliseconds", "".join(f"{head:>10}" for head in ("p50", "p90", "p95", "p99", "max"))
        ),
        _spread_row("end to end", summary.end_to_end),
        _spread_row("from actual send", summary.from_send),
        _spread_row("submit", summary.submit),
        _spread_row("lateness", summary.lateness),
        _row("throughput", _throughput(summary)),
        _row("cache hits", f"{summary.cache_hits}, coalesced {summary.coalesced}"),
        _row("mean queue time", f"{_seconds(summary.mean_queue_time_s)} as the service reports"),
        _row(
            "mean processing", f"{_seconds(summary.mean_processing_time_s)} as the service reports"
        ),
        *_accuracy_rows(summary),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, text: str) -> str:
    return f"  {name:<{_WIDTH}}{text}"


def _spread_row(name: str, spread: Spread) -> str:
    shown = (spread.p50_s, spread.p90_s, spread.p95_s, spread.p99_s, spread.max_s)
    cells = "".join(
        f"{'n/a' if value is None else format(1000 * value, '.2f'):>10}" for value in shown
    )
    return _row(name, f"{cells}   of {spread.count}")


def _throughput(summary: Summary) -> str:
    if summary.completed_per_s is None or summary.span_s is None:
        return "n/a"
    return f"{summary.completed_per_s:.2f} completed per second over {summary.span_s:.2f} s"


def _seconds(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4f} s"


def _accuracy_rows(summary: Summary) -> list[str]:
    accuracy = summary.accuracy
    if accuracy is None:
        return []
    share = 100 * accuracy.correct / accuracy.labelled
    return [
        _row(
            "top-1 accuracy", f"{share:.2f} % ({accuracy.correct} of {accuracy.labelled} labelled)"
        )
    ]
