"""What the person at the terminal reads: log lines on stderr, one summary on stdout."""

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from load_tester.errors import OutputError
from load_tester.figures.latency import Spread
from load_tester.figures.objectives import Check
from load_tester.figures.rates import Rates
from load_tester.figures.summary import Accuracy, Counts, Summary
from load_tester.figures.verdict import Verdict
from load_tester.report.printable import join_lines, make_printable

LOGGER = "load_tester"

_WIDTH = 18
_HEADS = ("p50", "p90", "p95", "p99", "p99.9", "max")


def start_logging() -> None:
    """Send log lines to stderr as `2025-06-25 16:08:29,659 - INFO - message`."""
    handler = logging.StreamHandler()
    handler.setFormatter(_LineFormatter("%(asctime)s - %(levelname)s - %(message)s"))
    logger = logging.getLogger(LOGGER)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)


def stop_logging() -> None:
    """Send nothing but warnings to stderr."""
    logging.getLogger(LOGGER).setLevel(logging.WARNING)


def write_out(text: str) -> None:
    """Write to stdout; nothing else in the load tester does.

    What would drive the terminal, or cannot be written in its encoding, is spelt out. Raises
    OutputError when nobody reads it any more, or its disk is full.
    """
    encoding = sys.stdout.encoding or "utf-8"
    shown = make_printable(text, keep="\n").encode(encoding, errors="backslashreplace")
    try:
        sys.stdout.write(shown.decode(encoding))
        sys.stdout.flush()
    except OSError as exc:
        _give_up_stdout()
        raise OutputError(f"cannot write the summary: {exc.strerror}") from exc


def write_error(message: str) -> None:
    """Write one line to stderr on why the run cannot be."""
    with suppress(OSError):  # there is nowhere left to say it
        sys.stderr.write(f"load_tester: {make_printable(' '.join(message.split()))}\n")
        sys.stderr.flush()


def render_run(
    summary: Summary, verdict: Verdict, checks: Sequence[Check], *, out: Path | None
) -> str:
    """Return a run as text, one figure a line."""
    lines = [
        "",
        "Load test interrupted" if summary.interrupted else "Load test finished",
        *_count_rows(summary.counts, summary.reasons),
        row("milliseconds", "".join(f"{head:>10}" for head in _HEADS)),
        _spread_row("end to end", summary.end_to_end),
        _spread_row("from actual send", summary.from_send),
        _spread_row("submit", summary.submit),
        _spread_row("lateness", summary.lateness),
        *_warm_up_rows(summary),
        *_rate_rows(summary.rates),
        row("cache hits", f"{summary.cache_hits}, coalesced {summary.coalesced}"),
        row("mean queue time", _told(summary.mean_queue_time_s)),
        row("mean processing", _told(summary.mean_processing_time_s)),
        *_accuracy_rows(summary.accuracy),
        *(row("objective", check.sentence) for check in checks),
        row("verdict", verdict.level),
        *(row("", reason.sentence) for reason in verdict.reasons),
        *([] if out is None else [row("report", str(out))]),
    ]
    return join_lines(lines)


def row(name: str, text: str) -> str:
    """Return one line of a summary."""
    return f"  {name:<{_WIDTH}}{text}"


def _count_rows(counts: Counts, reasons: dict[str, int]) -> list[str]:
    ends = (
        f"{counts.ok} ok + {counts.refused} refused + {counts.failed} failed"
        f" + {counts.timed_out} timed out + {counts.wrong} wrong + {counts.abandoned} abandoned"
    )
    return [
        row("scheduled", f"{counts.scheduled} = {counts.sent} sent + {counts.not_sent} not sent"),
        row("sent", f"{counts.sent} = {ends}"),
        *(row("", f"{number} x {reason}") for reason, number in reasons.items()),
        *(row("COUNTS DIFFER", sentence) for sentence in counts.find_discrepancies()),
    ]


def _spread_row(name: str, spread: Spread) -> str:
    shown = (
        *(spread.p50_s, spread.p90_s, spread.p95_s),
        *(spread.p99_s, spread.p999_s, spread.max_s),
    )
    cells = "".join(
        f"{'n/a' if value is None else format(1000 * value, '.2f'):>10}" for value in shown
    )
    return row(name, f"{cells}   of {spread.count}")


def _warm_up_rows(summary: Summary) -> list[str]:
    if not summary.warm_up_s:
        return []
    told = f"{summary.warm_up_s:g} s, {summary.warm_up_images} images left out of the figures"
    return [row("warm-up", told)]


def _rate_rows(rates: Rates) -> list[str]:
    rows = []
    if rates.completed_per_s is None or rates.span_s is None:
        rows.append(row("throughput", "n/a"))
    else:
        told = f"{rates.completed_per_s:.2f} completed per second over {rates.span_s:.2f} s"
        rows.append(row("throughput", told))
    told = f"{_rate(rates.target_per_s)} asked for, {_rate(rates.achieved_per_s)} sent"
    rows.append(row("rates", f"{told}, {_rate(rates.goodput_per_s)} ended ok, per second"))
    return rows


def _rate(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.2f}"


def _told(value: float | None) -> str:
    return f"{'n/a' if value is None else f'{value:.4f} s'} as the service reports"


def _accuracy_rows(accuracy: Accuracy | None) -> list[str]:
    if accuracy is None:
        return []
    share = 100 * accuracy.correct / accuracy.labelled
    told = f"{share:.2f} % ({accuracy.correct} of {accuracy.labelled} labelled)"
    return [row("top-1 accuracy", told)]


class _LineFormatter(logging.Formatter):
    """Writes a message as one line; the lines of a traceback stay lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line of a record, with nothing in it that would drive the terminal."""
        record.message = make_printable(record.message)
        return super().formatMessage(record)


def _give_up_stdout() -> None:
    """Send what is still buffered nowhere, or the interpreter complains about it at its end."""
    with suppress(OSError, ValueError):  # what replaces it in tests has no descriptor
        stdout = sys.stdout.fileno()
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), stdout)
