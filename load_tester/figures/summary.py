"""A run in figures, computed from its records. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from load_tester.figures.latency import Spread, measure_spread
from load_tester.figures.rates import Rates, measure_rates
from load_tester.figures.window import measured_records
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Picture, Run

Name = TypeVar("Name", int, str)


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How many images went which way.

    `scheduled` is the plan's, `sent` the client's own count; the rest is counted from the
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
class Group:
    """The measured images that have something in common, such as their file."""

    images: int
    ok: int
    end_to_end: Spread


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Everything a run is summed up in; durations in seconds, None where nothing was measured.

    Counts, reasons, cache and accuracy are of the whole run; all else leaves out the images due
    during the warm-up. Latencies are those of the images that ended ok, lateness that of every
    image sent. `end_to_end` counts from the intended send; `from_send`, from the actual one, is
    the uncorrected figure beside it. The means of the service's own times leave out what came
    from its cache.
    """

    counts: Counts
    reasons: dict[str, int]
    warm_up_s: float
    warm_up_images: int
    end_to_end: Spread
    from_send: Spread
    submit: Spread
    lateness: Spread
    rates: Rates
    cache_hits: int
    coalesced: int
    mean_polls: float | None
    mean_queue_time_s: float | None
    mean_processing_time_s: float | None
    accuracy: Accuracy | None
    by_target: dict[str, Group]
    by_size: dict[str, Group]
    interrupted: bool


def summarize(run: Run) -> Summary:
    """Return the figures of a run."""
    measured = measured_records(run)
    all_done = [record for record in run.records if record.outcome is Outcome.OK]
    done = [record for record in measured if record.outcome is Outcome.OK]
    computed = [record for record in done if not record.from_cache]
    return Summary(
        counts=count_outcomes(run.records, scheduled=sum(run.planned), sent=run.uploads),
        reasons=_count_reasons(run.records),
        warm_up_s=run.asked.warm_up_s,
        warm_up_images=len(run.records) - len(measured),
        end_to_end=measure_spread(record.end_to_end_s for record in done),
        from_send=measure_spread(record.from_send_s for record in done),
        submit=measure_spread(record.submit_s for record in measured),
        lateness=measure_spread(record.lateness_s for record in measured),
        rates=measure_rates(run),
        cache_hits=sum(record.from_cache for record in all_done),
        coalesced=sum(record.coalesced for record in all_done),
        mean_polls=_mean([float(record.polls) for record in done]),
        mean_queue_time_s=_mean([record.queue_time_s for record in computed]),
        mean_processing_time_s=_mean([record.processing_time_s for record in computed]),
        accuracy=measure_accuracy(all_done, labels=run.labels),
        by_target=_group(measured, lambda record: record.target),
        by_size=_group_by_size(measured, run.pictures),
        interrupted=run.interrupted,
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


def classify_size(picture: Picture | None) -> int:
    """Return the range of sizes of a picture's file: 1, 2, 4, 8, … KiB at most; 0 for unknown."""
    if picture is None:
        return 0
    at_most_kib = 1
    while picture.size_bytes > at_most_kib * 1024:
        at_most_kib *= 2
    return at_most_kib


def name_size(at_most_kib: int) -> str:
    """Return the name of a range of sizes."""
    if at_most_kib <= 1:
        return "up to 1 KiB" if at_most_kib else "unknown"
    return f"{at_most_kib // 2} to {at_most_kib} KiB"


def _group_by_size(
    records: Sequence[ImageRecord], pictures: Mapping[str, Picture]
) -> dict[str, Group]:
    classes = {file: classify_size(picture) for file, picture in pictures.items()}
    groups = _group(records, lambda record: classes.get(record.file, 0))
    return {name_size(at_most_kib): group for at_most_kib, group in groups.items()}


def _group(
    records: Sequence[ImageRecord], name_of: Callable[[ImageRecord], Name]
) -> dict[Name, Group]:
    """Return the groups, sorted by name."""
    members: defaultdict[Name, list[ImageRecord]] = defaultdict(list)
    for record in records:
        members[name_of(record)].append(record)
    return {name: _sum_up(group) for name, group in sorted(members.items())}


def _sum_up(records: Sequence[ImageRecord]) -> Group:
    done = [record for record in records if record.outcome is Outcome.OK]
    return Group(
        images=len(records),
        ok=len(done),
        end_to_end=measure_spread(record.end_to_end_s for record in done),
    )


def _count_reasons(records: Sequence[ImageRecord]) -> dict[str, int]:
    """Count the reasons of everything that did not end ok, most frequent first."""
    reasons = Counter(
        f"{record.outcome}:{record.reason}" for record in records if record.reason is not None
    )
    return dict(reasons.most_common())


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
