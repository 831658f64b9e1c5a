"""What one core can do: submit and poll cycles a second, and memory with many in flight."""

from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.load_tester.runs import percentile, pinned_mock, run_load_tester
from benchmarks.report import Row, at_least, at_most
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Run
from tests.load_tester.mock_service.script import Script

RATE: Final = 1000
SECONDS: Final = 15
TURNS: Final = 3
IN_FLIGHT: Final = 10_000
_CLOSED_COUNT: Final = 10_000
_CLOSED_CONCURRENCY: Final = 64


def measure(data_dir: Path) -> list[Row]:
    """Return the highest rate of a closed loop, and how an open one keeps 1,000 a second."""
    return [*_measure_closed(data_dir), *_measure_open(data_dir)]


def measure_memory(data_dir: Path) -> list[Row]:
    """Return the resident memory at its highest, with 10,000 images waiting for their results."""
    service_s = IN_FLIGHT / RATE + 0.2
    with pinned_mock(Script(service_s=service_s)) as mock:
        finished = run_load_tester(
            mock, data_dir, "--schedule", ",".join([str(RATE)] * (round(service_s) + 4)),
            "--no-self-check", "--max-workers", "0",
        )  # fmt: skip
    samples = finished.run.generator
    most = max(sample.in_flight for sample in samples)
    rss_mb = max(sample.rss_bytes for sample in samples) / 2**20
    return [
        at_least("images in flight at the most", most, IN_FLIGHT),
        at_most("resident memory at its highest during the run", rss_mb, 250, unit=" MB"),
        Row("  while the report is drawn", f"{finished.peak_rss_bytes / 2**20:.0f} MB"),
        Row("images that ended well", f"{_share_ok(finished.run):.4f}"),
    ]


def closed_loop_rate(data_dir: Path) -> float:
    """Return the submit and poll cycles a second of as many workers as are good for it."""
    with pinned_mock(Script(service_s=0.002)) as mock:
        finished = run_load_tester(
            mock, data_dir, "--count", str(_CLOSED_COUNT),
            "--concurrency", str(_CLOSED_CONCURRENCY), "--no-self-check",
        )  # fmt: skip
    return _rate(finished.run.records)


def _measure_closed(data_dir: Path) -> list[Row]:
    rates = [closed_loop_rate(data_dir) for _ in range(TURNS)]
    return [
        at_least("cycles a second, closed loop, 100 KB, one core", median(rates), 1000),
        Row("  of all turns", " ".join(f"{rate:.0f}" for rate in rates)),
    ]


def _measure_open(data_dir: Path) -> list[Row]:
    with pinned_mock(Script(service_s=0.02)) as mock:
        finished = run_load_tester(
            mock, data_dir, "--schedule", ",".join([str(RATE)] * SECONDS), "--max-workers", "0"
        )
    run = finished.run
    late_ms = [r.lateness_s * 1000 for r in run.records if r.lateness_s is not None]
    cpu = median(sample.cpu for sample in run.generator[1:-1])
    ceiling = run.ceiling.cycles_per_s if run.ceiling is not None else 0.0
    return [
        at_least("1,000 a second, open loop: images that ended well", _share_ok(run), 1.0),
        Row("1,000 a second, open loop: lateness p50", f"{percentile(late_ms, 50):.2f} ms"),
        Row("1,000 a second, open loop: lateness p99", f"{percentile(late_ms, 99):.2f} ms"),
        Row("1,000 a second, open loop: part of a core used", f"{cpu:.2f}"),
        Row("ceiling that the load tester found by itself", f"{ceiling:.0f}/s"),
    ]


def _share_ok(run: Run) -> float:
    return sum(record.outcome is Outcome.OK for record in run.records) / len(run.records)


def _rate(records: tuple[ImageRecord, ...]) -> float:
    """Return the images that ended well in a second, from the first send to the last end."""
    ends_s = [r.seen_s for r in records if r.outcome is Outcome.OK and r.seen_s is not None]
    begins_s = [r.sent_s for r in records if r.sent_s is not None]
    return len(ends_s) / (max(ends_s) - min(begins_s))
