"""Whether the figures of a run tell of the service, or of the load tester itself. Pure.

Everything is judged that can make a figure wrong without the service's doing; each reason names
the resource that was short.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from load_tester.figures.disturbance import (
    EVIDENCE,
    STALLED_S,
    Resource,
    find_cause,
    is_short_of_memory,
    is_starved,
    longest_busy_s,
    samples_around,
)
from load_tester.figures.lateness import (
    LATE_S,
    LATE_SHARE,
    NO_WORKER,
    Punctuality,
    is_more_than,
    lateness_limit_s,
    measure_punctuality,
    own_lateness_s,
)
from load_tester.figures.rates import measure_rates
from load_tester.figures.window import is_forestalled
from load_tester.record import ImageRecord
from load_tester.run import Mode, Run

BUSY_S = 10.0
# In a run shorter than that, CPU counts when it was busy throughout, and this long.
SHORT_BUSY_S = 2.0
CEILING_PART = 0.7
MISSING_SHARE = 0.01
# A single sample may catch a hiccup; a disturbance lasts longer.
STARVED_SAMPLES = 3
# How targets call an image that the system gave no file descriptor or no local port.
NO_FILE_DESCRIPTOR = "no_file_descriptor"
NO_LOCAL_PORT = "no_local_port"


class Level(StrEnum):
    """How far a run can be believed, worst first."""

    INVALID = "invalid"  # the figures tell of the load tester instead of the service
    SUSPECT = "suspect"  # something speaks against it; read the reasons before the figures
    VALID = "valid"  # nothing does


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One thing that speaks against a run."""

    level: Level
    resource: Resource
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """How far a run can be believed, and why not further; the worst reason comes first."""

    level: Level
    reasons: tuple[Reason, ...]


def judge(run: Run) -> Verdict:
    """Return the verdict on a run.

    In a closed loop an image has no moment at which it should have been sent, so lateness is
    judged in the open loop only.
    """
    reasons = [*_judge_machine(run), *_judge_ceiling(run), *_judge_shortages(run)]
    if run.asked.mode is Mode.OPEN:
        reasons += _judge_sends(run)
    reasons.sort(key=lambda reason: list(Level).index(reason.level))
    level = reasons[0].level if reasons else Level.VALID
    return Verdict(level=level, reasons=tuple(reasons))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fault:
    """What the sends themselves speak against a run, its cause not yet known."""

    level: Level
    sentence: str
    bound_s: float
    """The sends that were later than this are those that it is about."""


def _judge_sends(run: Run) -> Iterator[Reason]:
    found = measure_punctuality(run)
    yield from _judge_workers(found, bound=run.asked.max_workers)
    fault = _judge_lateness(found)
    if fault is not None:
        late = [record for record in run.records if _is_late(record, fault.bound_s)]
        cause = find_cause(samples_around(run.generator, late))
        yield Reason(
            level=fault.level, resource=cause, sentence=f"{fault.sentence}: {EVIDENCE[cause]}"
        )


def _judge_workers(found: Punctuality, *, bound: int | None) -> Iterator[Reason]:
    """Judge what `--max-workers` held back: a bound on the load is no merit of the service."""
    told = f"--max-workers {bound} held back {found.held} of {found.due} images"
    if _is_spoiled_by_workers(found):
        longest = f"by up to {1000 * found.longest_held_s:.0f} ms"
        never = f"; {found.never_free} were never sent" if found.never_free else ""
        yield Reason(
            level=Level.INVALID,
            resource=Resource.WORKERS,
            sentence=f"{told} {longest}{never}: raise it, or set it to 0 for no bound",
        )
    elif found.never_free or is_more_than(found.held, found.due, share=LATE_SHARE):
        yield Reason(
            level=Level.SUSPECT,
            resource=Resource.WORKERS,
            sentence=f"{told}: the service was offered less at a time than was asked for",
        )


def _is_spoiled_by_workers(found: Punctuality) -> bool:
    """Tell whether too many were too late, or never sent, and would not have been otherwise."""
    if is_more_than(found.held_late, found.due, share=LATE_SHARE):
        return True
    # It may be what takes a run that is late by itself over the bound.
    is_late_anyway = is_more_than(found.very_late, found.sends, share=LATE_SHARE)
    both = found.held_late + found.very_late
    return (
        found.held_late > 0
        and not is_late_anyway
        and is_more_than(both, found.due, share=LATE_SHARE)
    )


def _judge_lateness(found: Punctuality) -> _Fault | None:
    """Return the gravest that can be said of the generator's own lateness, None for nothing."""
    if is_more_than(found.very_late, found.sends, share=LATE_SHARE):
        return _Fault(
            level=Level.INVALID,
            sentence=f"{found.very_late} of {found.sends} sends were more than "
            f"{1000 * found.limit_s:.0f} ms late, one of them {1000 * found.worst_s:.0f} ms",
            bound_s=found.limit_s,
        )
    if is_more_than(found.missing, found.due, share=MISSING_SHARE):
        return _Fault(
            level=Level.INVALID,
            sentence=f"{found.missing} images were not sent in the time of the plan",
            bound_s=found.limit_s,
        )
    if is_more_than(found.late, found.sends, share=LATE_SHARE):
        return _Fault(
            level=Level.SUSPECT,
            sentence=f"{found.late} of {found.sends} sends were more than 1 ms late",
            bound_s=LATE_S,
        )
    return None


def _is_late(record: ImageRecord, bound_s: float) -> bool:
    """Tell whether an image was late, or never sent, by the generator's own fault."""
    if record.sent_s is None:
        return not is_forestalled(record) and record.reason != NO_WORKER
    return own_lateness_s(record) > bound_s


def _judge_machine(run: Run) -> Iterator[Reason]:
    samples = run.generator
    busy_s = longest_busy_s(samples)
    whole_s = samples[-1].at_s if samples else 0.0
    if busy_s >= BUSY_S or busy_s >= max(SHORT_BUSY_S, 0.9 * whole_s):
        yield Reason(
            level=Level.SUSPECT,
            resource=Resource.OWN_CPU,
            sentence=f"the load tester used more than 80 % of a core for {busy_s:.0f} s",
        )
    starved = [sample for sample in samples if is_starved(sample)]
    if len(starved) >= STARVED_SAMPLES:
        part = sum(sample.starved for sample in starved) / len(starved)
        yield Reason(
            level=Level.SUSPECT,
            resource=Resource.OTHERS,
            sentence=f"other processes had the load tester's core for {100 * part:.0f} % of the "
            f"time, in {len(starved)} of {len(samples)} samples",
        )
    longest = max(samples, key=lambda sample: sample.loop_lag_s, default=None)
    if longest is not None and longest.loop_lag_s > max(STALLED_S, lateness_limit_s(run.records)):
        cause = find_cause([longest])
        yield Reason(
            level=Level.SUSPECT,
            resource=cause,
            sentence=f"the event loop stood still for {1000 * longest.loop_lag_s:.0f} ms "
            f"at second {longest.at_s:.0f}: {EVIDENCE[cause]}",
        )


def _judge_ceiling(run: Run) -> Iterator[Reason]:
    if run.ceiling is None:
        return
    offered = float(max(run.planned, default=0))
    if run.asked.mode is Mode.CLOSED:
        offered = measure_rates(run).achieved_per_s or 0.0
    if offered > CEILING_PART * run.ceiling.cycles_per_s:
        part = 100 * offered / run.ceiling.cycles_per_s
        yield Reason(
            level=Level.SUSPECT,
            resource=Resource.CEILING,
            sentence=f"{offered:.0f} images in a second are {part:.0f} % of the "
            f"{run.ceiling.cycles_per_s:.0f} that this load tester can do at most",
        )


def _judge_shortages(run: Run) -> Iterator[Reason]:
    reasons = Counter(record.reason for record in run.records)
    for name, resource in (
        (NO_FILE_DESCRIPTOR, Resource.FILES),
        (NO_LOCAL_PORT, Resource.PORTS),
    ):
        if reasons[name]:
            yield Reason(
                level=Level.INVALID,
                resource=resource,
                sentence=f"the machine had no {resource} left for {reasons[name]} images",
            )
    short = [sample for sample in run.generator if is_short_of_memory(sample)]
    if short:
        yield Reason(
            level=Level.SUSPECT,
            resource=Resource.MEMORY,
            sentence=f"the machine had hardly any memory left at second {short[0].at_s:.0f}",
        )
