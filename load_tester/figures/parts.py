"""Where the time goes, from the intended send to the result. Pure.

An image's time is cut into its lateness, the upload, the service's own queue and steps (or its
processing time, where no steps are told), and the rest: finding out that it is done, the network,
and whatever the service did not report. The rest is what is left over, so that the parts always
add up to what a user waited; where the service counts time twice it is below zero, and shown so.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from load_tester.figures.window import measured_records
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Run

LATENESS: Final = "lateness"
SUBMIT: Final = "submit"
QUEUE: Final = "queue"
PROCESSING: Final = "processing"
BESIDE: Final = "processing beside the steps"
REST: Final = "detection and the rest"
MOST_STEPS: Final = 12
"""Further steps go into what is beside the steps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The mean of one part over some images."""

    part: str
    mean_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PartsRow:
    """A group of images; the means of the parts together are `total_s`."""

    group: str
    images: int
    total_s: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PartsWindow:
    """The mean of one part over the images due in one window."""

    at_s: int
    part: str
    mean_s: float


def cut_time(record: ImageRecord, steps: Sequence[str]) -> dict[str, float] | None:
    """Return the parts of one image in seconds, or None when it has no result.

    The order is the order of time; `steps` are the ids that get a part of their own.
    """
    whole_s, lateness_s = record.end_to_end_s, record.lateness_s
    if whole_s is None or lateness_s is None:
        return None
    parts = {
        LATENESS: lateness_s,
        SUBMIT: record.submit_s or 0.0,
        QUEUE: record.queue_time_s or 0.0,
    }
    processing_s = record.processing_time_s
    for step in steps:
        parts[_name_step(step)] = record.steps_s.get(step, 0.0)
    if steps:
        told_s = sum(record.steps_s.get(step, 0.0) for step in steps)
        parts[BESIDE] = 0.0 if processing_s is None else processing_s - told_s
    else:
        parts[PROCESSING] = processing_s or 0.0
    parts[REST] = whole_s - sum(parts.values())
    return parts


def list_steps(records: Iterable[ImageRecord]) -> list[str]:
    """Return the ids of the steps that were timed, in the order in which they were told."""
    return list(dict.fromkeys(step for record in records for step in record.steps_s))[:MOST_STEPS]


def measure_parts(run: Run) -> list[PartsRow]:
    """Return the parts of all images, of the middle half and of the slowest.

    What came from a cache or was waited for together with another image is left out: its own
    time in the service is not known. So are the images of the warm-up.
    """
    computed = _list_computed(run)
    steps = list_steps(computed)
    cut = [parts for record in computed if (parts := cut_time(record, steps)) is not None]
    cut.sort(key=lambda parts: sum(parts.values()))
    images = len(cut)
    groups = [
        ("all", cut),
        ("middle half", cut[images // 4 : math.ceil(images * 0.75)]),
        ("slowest 5 %", cut[math.ceil(images * 0.95) :]),
        ("slowest 1 %", cut[math.ceil(images * 0.99) :]),
    ]
    return [_sum_up(name, group) for name, group in groups if group]


def measure_parts_over_time(run: Run, *, width_s: int) -> list[PartsWindow]:
    """Return the mean of every part in each window that has a result."""
    computed = _list_computed(run)
    steps = list_steps(computed)
    windows = defaultdict[int, list[dict[str, float]]](list)
    for record in computed:
        parts = cut_time(record, steps)
        if parts is not None:
            windows[int(record.sched_s // width_s)].append(parts)
    return [
        PartsWindow(at_s=row * width_s, part=average.part, mean_s=average.mean_s)
        for row, group in sorted(windows.items())
        for average in _average(group)
    ]


def _list_computed(run: Run) -> list[ImageRecord]:
    return [
        record
        for record in measured_records(run)
        if record.outcome is Outcome.OK and not record.from_cache and not record.coalesced
    ]


def _sum_up(name: str, group: Sequence[dict[str, float]]) -> PartsRow:
    parts = _average(group)
    total_s = sum(part.mean_s for part in parts)
    return PartsRow(group=name, images=len(group), total_s=total_s, parts=parts)


def _average(group: Sequence[dict[str, float]]) -> tuple[Part, ...]:
    return tuple(
        Part(part=name, mean_s=sum(parts[name] for parts in group) / len(group))
        for name in group[0]
    )


def _name_step(step: str) -> str:
    return f"step {step}"
