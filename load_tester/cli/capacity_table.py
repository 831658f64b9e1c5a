"""What a capacity search shows as text, and as JSON. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from load_tester.cli.tables import align_table, tell_ms
from load_tester.figures.capacity import Capacity, End, Step
from load_tester.figures.objectives import check_objectives
from load_tester.figures.summary import Summary, summarize
from load_tester.figures.verdict import Verdict, judge
from load_tester.report.printable import join_lines
from load_tester.run import Run


@dataclass(frozen=True, kw_only=True, slots=True)
class TriedStep:
    """One step with the run behind it."""

    step: Step
    run: Run


def describe_step(tried: TriedStep) -> str:
    """Return what one step showed, in one line."""
    missed = [check.sentence for check in check_objectives(tried.run) if not check.is_met]
    verdict = judge(tried.run)
    reasons = [reason.sentence for reason in verdict.reasons]
    told = "; ".join([*missed, *reasons])
    return f"{tried.step.rate:g} images per second: {tried.step.result}" + told.join(
        (" (", ")") if told else ("", "")
    )


def render_search(tried: Sequence[TriedStep], capacity: Capacity) -> str:
    """Return the table of the steps, and what they come to."""
    head = ("images/s", "images", "ok", "p50 ms", "p95 ms", "p99 ms", "goodput", "verdict", "")
    rows = [_tell(one, summarize(one.run), judge(one.run)) for one in tried]
    lines = ["", "Capacity", *align_table(head, rows), f"  {describe_capacity(capacity)}"]
    return join_lines(lines)


def describe_capacity(capacity: Capacity) -> str:
    """Return what a search found, in one sentence."""
    missed = "" if capacity.missed_rate is None else f", and missed at {capacity.missed_rate:g}"
    if capacity.rate is None:
        return f"No rate was shown to meet the objectives: {capacity.end}{missed}."
    if capacity.end is End.FOUND:
        return f"The objectives were met up to {capacity.rate:g} images per second{missed}."
    return (
        f"The objectives were met at {capacity.rate:g} images per second{missed}, and the "
        f"capacity may be higher: {capacity.end}."
    )


def describe_search(tried: Sequence[TriedStep], capacity: Capacity) -> dict[str, object]:
    """Return everything that was found, for JSON; durations in seconds, rates a second."""
    return {
        "kind": "capacity",
        "capacity": asdict(capacity),
        "sentence": describe_capacity(capacity),
        "steps": [
            {
                "rate": one.step.rate,
                "result": one.step.result,
                "seconds": len(one.run.planned),
                "images": len(one.run.records),
                "verdict": asdict(judge(one.run)),
                "objectives": [asdict(check) for check in check_objectives(one.run)],
                "latency": asdict(summarize(one.run).end_to_end),
                "rates": asdict(summarize(one.run).rates),
            }
            for one in tried
        ],
    }


def _tell(tried: TriedStep, summary: Summary, verdict: Verdict) -> tuple[str, ...]:
    spread, goodput = summary.end_to_end, summary.rates.goodput_per_s
    return (
        f"{tried.step.rate:g}",
        str(summary.counts.scheduled),
        str(summary.counts.ok),
        *(tell_ms(value) for value in (spread.p50_s, spread.p95_s, spread.p99_s)),
        "n/a" if goodput is None else f"{goodput:.1f}",
        str(verdict.level),
        str(tried.step.result),
    )
