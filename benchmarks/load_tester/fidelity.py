"""The default schedule: is each second's list sent as it stands, and on time?"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchmarks.load_tester.runs import percentile, pinned_mock, run_load_tester
from benchmarks.report import Row, at_least, at_most
from load_tester.record import ImageRecord
from load_tester.run import Run
from tests.load_tester.mock_service.pairs import Pair, find_origin_s, pair_up
from tests.load_tester.mock_service.script import Script


def measure(data_dir: Path) -> list[Row]:
    """Return counts and lateness, as reported and as the service saw them."""
    with pinned_mock(Script(service_s=0.05)) as mock:
        finished = run_load_tester(mock, data_dir, "--no-self-check")
        truth = mock.tell()
    run = finished.run
    pairs = pair_up(run, truth)
    return [*_judge_counts(run, pairs), *_judge_lateness(run.records), *_judge_claims(pairs)]


def _judge_counts(run: Run, pairs: list[Pair]) -> list[Row]:
    origin_s = find_origin_s(pairs)
    sched = share_of_exact_seconds(run, (record.sched_s for record in run.records))
    sent = share_of_exact_seconds(run, (r.sent_s for r in run.records if r.sent_s is not None))
    arrived = share_of_exact_seconds(run, (pair.true.began_s - origin_s for pair in pairs))
    return [
        at_least("seconds whose count is exact, by intended send", sched, 1.0),
        at_least("seconds whose count is exact, by send", sent, 0.99),
        at_least("seconds whose count is exact, as the service saw them", arrived, 0.99),
    ]


def share_of_exact_seconds(run: Run, moments_s: Iterable[float]) -> float:
    """Return for which part of the seconds as many moments fall into it as were planned."""
    counts = Counter(int(moment_s) for moment_s in moments_s)
    exact = sum(counts[second] == count for second, count in enumerate(run.planned))
    return exact / len(run.planned)


def _judge_lateness(records: Iterable[ImageRecord]) -> list[Row]:
    late_ms = [r.lateness_s * 1000 for r in records if r.lateness_s is not None]
    tenth = len(late_ms) // 10
    drift_ms = percentile(late_ms[-tenth:], 50) - percentile(late_ms[:tenth], 50)
    return [
        at_most("lateness p50", percentile(late_ms, 50), 0.2, unit=" ms"),
        at_most("lateness p99", percentile(late_ms, 99), 1.0, unit=" ms"),
        Row("lateness max", f"{max(late_ms):.2f} ms"),
        at_most("drift: last tenth's p50 less the first's", abs(drift_ms), 0.1, unit=" ms"),
    ]


def _judge_claims(pairs: list[Pair]) -> list[Row]:
    """Whether what is reported as sent had left: the service must see its first byte soon."""
    origin_s = find_origin_s(pairs)
    way_ms = [
        (pair.true.began_s - origin_s - pair.told.sent_s) * 1000
        for pair in pairs
        if pair.told.sent_s is not None
    ]
    return [
        Row(
            "from reported send to first byte at the service, p50",
            f"{percentile(way_ms, 50):.2f} ms",
        ),
        Row(
            "from reported send to first byte at the service, p99",
            f"{percentile(way_ms, 99):.2f} ms",
        ),
    ]
