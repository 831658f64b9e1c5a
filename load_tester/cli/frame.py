"""One frame of the live view, drawn from what is known at a moment. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from load_tester.figures.latency import samples_needed
from load_tester.figures.lateness import INVALID_LATE_PART, INVALID_LATE_S, LATE_S, LATE_SHARE
from load_tester.record import Outcome

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.-:=+*#"
# A longer line of seconds tells nothing more at a glance.
MOST_SECONDS = 60
# What stands beside a sparkline: its name and its rate.
_BESIDE = 20
# Terminals with fewer columns are not told the longest latency.
_ROOMY = 60
_GOOD, _DOUBTFUL, _BAD = "green", "yellow", "red"


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What the counters of a run say at one moment; durations in seconds."""

    elapsed_s: float
    planned: Sequence[int]
    """Images to send in each second; empty in a closed loop, which has no such plan."""
    total: int
    """Images to send in all."""
    sent: int
    in_flight: int
    ended: Mapping[Outcome, int]
    sent_by_second: Sequence[int]
    done_by_second: Sequence[int]
    latest_s: Sequence[float]
    """The latest latencies of images that ended ok."""
    lateness_s: Sequence[float]
    """How late the latest sends were."""


def draw_frame(now: Snapshot, *, width: int, ascii_only: bool = False) -> RenderableType:
    """Return the frame for a terminal of `width` columns."""
    table = Table.grid(padding=(0, 1), pad_edge=False)
    table.add_column(style="dim", no_wrap=True, min_width=len("in flight"))
    table.add_column(no_wrap=True, overflow="ellipsis")
    room = max(4, min(MOST_SECONDS, width - _BESIDE))
    for name, counts, style in _name_series(now):
        line = draw_sparkline(counts[-room:], top=_highest(now, room), ascii_only=ascii_only)
        table.add_row(name, Text.assemble((line, style), f" {_latest_full(now, counts)}/s"))
    table.add_row("in flight", f"{now.in_flight:,}")
    table.add_row("ended", _tell_ended(now.ended))
    roomy = width >= _ROOMY
    table.add_row("latency", _tell_percentiles(now.latest_s, (50.0, 95.0, 99.0), longest=roomy))
    if now.planned:
        table.add_row("late", _tell_percentiles(now.lateness_s, (50.0, 99.0), longest=True))
    table.add_row("so far", _tell_verdict(now))
    return Group(_draw_progress(now, width=width), table)


def draw_sparkline(counts: Sequence[int], *, top: int, ascii_only: bool = False) -> str:
    """Return one block a count, the full one for `top`; nothing at all is a blank."""
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    highest = len(blocks) - 1
    return "".join(
        " " if count <= 0 else blocks[min(highest, round(highest * count / max(top, 1)))]
        for count in counts
    )


def percentile(ordered: Sequence[float], quantile: float) -> float | None:
    """Return a percentile (nearest rank) of ordered samples, None where there are too few."""
    if len(ordered) < samples_needed(quantile):
        return None
    return ordered[min(len(ordered) - 1, int(len(ordered) * quantile / 100))]


def _name_series(now: Snapshot) -> list[tuple[str, Sequence[int], str]]:
    """Return the name, the counts up to this second and the style of each line of seconds."""
    begun = len(now.sent_by_second)
    planned = now.planned[:begun]
    # After the last planned second only the answers go on.
    target = [*planned, *[0] * (begun - len(planned))]
    lines = [("target", target, "dim")] if now.planned else []
    return [*lines, ("sent", now.sent_by_second, "blue"), ("done", now.done_by_second, _GOOD)]


def _highest(now: Snapshot, room: int) -> int:
    """Return the largest count in sight, so that all lines have one scale."""
    return max((max(counts[-room:], default=0) for _, counts, _ in _name_series(now)), default=0)


def _latest_full(now: Snapshot, counts: Sequence[int]) -> int:
    """Return the count of the last second that is over, or of the first while there is none."""
    index = max(0, min(int(now.elapsed_s), len(counts)) - 1)
    return counts[index] if counts else 0


def _draw_progress(now: Snapshot, *, width: int) -> RenderableType:
    if now.planned:
        seconds = len(now.planned)
        told = f"{min(now.elapsed_s, seconds):.0f}/{seconds} s"
        bar = ProgressBar(total=seconds, completed=min(now.elapsed_s, seconds))
    else:
        ended = sum(now.ended.values())
        told = f"{ended:,}/{now.total:,}"
        bar = ProgressBar(total=max(now.total, 1), completed=min(ended, now.total))
    bar.complete_style = bar.finished_style = "blue"
    bar.width = max(4, min(MOST_SECONDS, width - len(told) - 1))
    row = Table.grid(padding=(0, 1))
    row.add_column(no_wrap=True)
    row.add_column(no_wrap=True)
    row.add_row(bar, told)
    return row


def _tell_ended(ended: Mapping[Outcome, int]) -> Text:
    """Return the outcomes that occurred; all but ok stand out."""
    told = Text(f"{ended.get(Outcome.OK, 0):,} ok")
    for outcome in Outcome:
        if outcome is not Outcome.OK and ended.get(outcome):
            told.append(f", {ended[outcome]:,} {outcome.replace('_', ' ')}", style=_BAD)
    return told


def _tell_percentiles(
    samples_s: Sequence[float], quantiles: Sequence[float], *, longest: bool
) -> str:
    """Return the percentiles in milliseconds and, if asked for, the longest."""
    ordered = sorted(samples_s)
    told = [f"p{quantile:g} {_ms(percentile(ordered, quantile))}" for quantile in quantiles]
    if longest:
        told.append(f"max {_ms(ordered[-1] if ordered else None)}")
    return " ".join([*told, "ms"])


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "n/a"
    return f"{1e3 * seconds:.1f}" if seconds < 1 else f"{1e3 * seconds:.0f}"


def _tell_verdict(now: Snapshot) -> Text:
    """Return what can be said of the run and of its generator, by the latest sends."""
    if now.ended.get(Outcome.WRONG):
        return Text("wrong answers", style=_BAD)
    if not now.planned:
        return Text("closed loop: lateness means nothing here", style="dim")
    late_s = sorted(now.lateness_s)
    if not late_s:
        return Text("nothing sent yet", style="dim")
    median_s = percentile(sorted(now.latest_s), 50.0) or 0.0
    beyond = late_s[min(len(late_s) - 1, int(0.99 * len(late_s)))]
    share = sum(value > LATE_S for value in late_s) / len(late_s)
    if beyond > max(INVALID_LATE_S, INVALID_LATE_PART * median_s):
        return Text("generator too late", style=_BAD)
    if share > LATE_SHARE:
        return Text(f"{share:.1%} of sends late", style=_DOUBTFUL)
    return Text("on time", style=_GOOD)
