"""A run in figures, computed from its records. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from load_tester.latency import Spread, measure_spread
from load_tester.record import ImageRecord, Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How many images went which way.

    `scheduled` is the schedule's, `sent` the client's own count; the rest is counted from the
    records, so that the sums compare three independent sources.
    """

    scheduled: int
    sent: int
    not_sent: int
    ok: int
    refused: int
    failed: int
    timed_out: int
    wrong: int
    abandoned: int

    def find_discrepancies(self) -> list[str]:
        """Return one sentence for every sum that does not hold."""
        ended = self.ok + self.refused + self.failed + self.timed_out + self.wrong + self.abandoned
        found = []
        if self.scheduled != self.sent + self.not_sent:
            found.append(f"scheduled {self.scheduled} is not {self.sent} + {self.not_sent}")
        if self.sent != ended:
            found.append(f"sent {self.sent}, but {ended} of them ended")
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Accuracy:
    """How often the best label was the true one, among the results with a known truth."""

    labelled: int
    correct: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Everything a run is summed up in; durations in seconds, None where nothing was measured.

    Latencies are those of the images that ended ok, lateness that of every image sent. The means
    of the service's own times leave out what came from its cache.
    """

    counts: Counts
    reasons: dict[str, int]
    end_to_end: Spread
    from_send: Spread
    submit: Spread
    lateness: Spread
    span_s: float | None
    completed_per_s: float | None
    cache_hits: int
    coalesced: int
    mean_queue_time_s: float | None
    mean_processing_time_s: float | None
    accuracy: Accuracy | None
    interrupted: bool


def summarize(
    records: Sequence[ImageRecord],
    *,
    scheduled: int,
    sent: int,
    labels: Mapping[str, str],
    interrupted: bool,
) -> Summary:
    """Return the figures of a run; `labels` is the true label by file name, if known."""
    done = [record for record in records if record.outcome is Outcome.OK]
    computed = [record for record in done if not record.from_cache]
    span_s = _measure_span(records, done)
    return Summary(
        counts=count_outcomes(records, scheduled=scheduled, sent=sent),
        reasons=_count_reasons(records),
        end_to_end=measure_spread(record.end_to_end_s for record in done),
        from_send=measure_spread(record.from_send_s for record in done),
        submit=measure_spread(record.submit_s for record in records),
        lateness=measure_spread(record.lateness_s for record in records),
        span_s=span_s,
        completed_per_s=len(done) / span_s if span_s else None,
        cache_hits=sum(record.from_cache for record in done),
        coalesced=sum(record.coalesced for record in done),
        mean_queue_time_s=_mean([record.queue_time_s for record in computed]),
        mean_processing_time_s=_mean([record.processing_time_s for record in computed]),
        accuracy=measure_accuracy(done, labels=labels),
        interrupted=interrupted,
    )


def count_outcomes(records: Sequence[ImageRecord], *, scheduled: int, sent: int) -> Counts:
    """Count the records by outcome, beside what was scheduled and what the client sent."""
    by_outcome = Counter(record.outcome for record in records)
    return Counts(
        scheduled=scheduled,
        sent=sent,
        not_sent=by_outcome[Outcome.NOT_SENT],
        ok=by_outcome[Outcome.OK],
        refused=by_outcome[Outcome.REFUSED],
        failed=by_outcome[Outcome.FAILED],
        timed_out=by_outcome[Outcome.TIMED_OUT],
        wrong=by_outcome[Outcome.WRONG],
        abandoned=by_outcome[Outcome.ABANDONED],
    )


def measure_accuracy(done: Sequence[ImageRecord], *, labels: Mapping[str, str]) -> Accuracy | None:
    """Return the top-1 accuracy, or None when no classified image has a known label."""
    judged = [
        is_same_label(record.top_label, labels[record.file])
        for record in done
        if record.top_label is not None and record.file in labels
    ]
    return Accuracy(labelled=len(judged), correct=sum(judged)) if judged else None


def is_same_label(told: str, true: str) -> bool:
    """Tell whether two labels are the same but for case and underscores."""
    return told.replace("_", " ").casefold() == true.replace("_", " ").casefold()


def _count_reasons(records: Sequence[ImageRecord]) -> dict[str, int]:
    """Count the reasons of everything that did not end ok, most frequent first."""
    reasons = Counter(
        f"{record.outcome}:{record.reason}" for record in records if record.reason is not None
    )
    return dict(reasons.most_common())


def _measure_span(records: Sequence[ImageRecord], done: Sequence[ImageRecord]) -> float | None:
    """Return the seconds from the first send to the last result, None when there is no result."""
    first_s = min((record.sent_s for record in records if record.sent_s is not None), default=None)
    last_s = max((record.seen_s for record in done if record.seen_s is not None), default=None)
    return None if first_s is None or last_s is None else last_s - first_s


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
