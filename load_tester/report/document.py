"""The report as data: everything that the page, the tables and the pictures show. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from load_tester.figures.comparison import Comparison
from load_tester.figures.flight import measure_flight
from load_tester.figures.health import list_metrics, sum_up_health
from load_tester.figures.latency import QUANTILES, samples_needed
from load_tester.figures.mistakes import count_reasons, count_reasons_over_time, list_wrong
from load_tester.figures.objectives import check_objectives
from load_tester.figures.offered import measure_offered
from load_tester.figures.parts import measure_parts, measure_parts_over_time
from load_tester.figures.per_file import measure_files
from load_tester.figures.scaling import Scaling
from load_tester.figures.series import (
    Second,
    choose_width,
    choose_window,
    count_seconds,
    measure_length,
    measure_windows,
)
from load_tester.figures.spectrum import measure_spectrum
from load_tester.figures.summary import Group, Summary, summarize
from load_tester.figures.verdict import judge
from load_tester.report.theme import JsonObject
from load_tester.run import Run

FORMAT_VERSION: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Extras:
    """What a report can hold beside its run."""

    comparison: Comparison | None = None
    """Of this run with another one."""
    scaling: Scaling | None = None
    """Of the service's step with its threads."""


NO_EXTRAS: Final = Extras()


def build_report(run: Run, extras: Extras = NO_EXTRAS) -> JsonObject:
    """Return the report as it is written: durations in seconds, null where nothing is known.

    The same run gives the same report; nothing else is looked at, not even the clock.
    """
    summary = summarize(run)
    report = {
        "version": FORMAT_VERSION,
        "run": _describe_run(run),
        "interrupted": summary.interrupted,
        "verdict": judge(run),
        "objectives": check_objectives(run),
        **_sum_up(summary),
        **_follow_time(run),
        "spectrum": measure_spectrum(run),
        "parts": measure_parts(run),
        "offered": measure_offered(run),
        "generator": {
            "ceiling": run.ceiling,
            "health": sum_up_health(run),
        },
        "service_metrics": list_metrics(run),
        "errors": count_reasons(run),
        "wrong": list_wrong(run),
        "files": measure_files(run),
        "sizes": _list_groups(summary.by_size),
        "targets": _list_groups(summary.by_target),
        "scaling": extras.scaling,
        "comparison": extras.comparison,
    }
    # To JSON and back: records become objects, and what is drawn is what is written.
    plain: JsonObject = msgspec.json.decode(msgspec.json.encode(report))
    return plain


def _describe_run(run: Run) -> JsonObject:
    """Return what is needed to run it again."""
    return {
        "started_at": run.started_at,
        "length_s": measure_length(run),
        "images": len(run.pictures) or len({record.file for record in run.records}),
        "planned": list(run.planned),
        **_open(run.asked),
        "environment": dict(run.environment),
    }


def _sum_up(summary: Summary) -> JsonObject:
    return {
        "counts": summary.counts,
        "discrepancies": summary.counts.find_discrepancies(),
        "reasons": summary.reasons,
        "warm_up": {"length_s": summary.warm_up_s, "images": summary.warm_up_images},
        "latency": {
            "end_to_end": summary.end_to_end,
            "from_send": summary.from_send,
            "submit": summary.submit,
            "lateness": summary.lateness,
        },
        "samples_needed": {
            f"p{quantile:g}_s".replace(".", ""): samples_needed(quantile) for quantile in QUANTILES
        },
        "throughput": summary.rates,
        "polls": {"mean": summary.mean_polls},
        "cache": {"hits": summary.cache_hits, "coalesced": summary.coalesced},
        "service": {
            "mean_queue_time_s": summary.mean_queue_time_s,
            "mean_processing_time_s": summary.mean_processing_time_s,
        },
        "accuracy": summary.accuracy,
    }


def _follow_time(run: Run) -> JsonObject:
    width_s, window_s = choose_width(measure_length(run)), choose_window(run)
    every_second = count_seconds(run)
    return {
        "fidelity": _compare_seconds(every_second[: len(run.planned)]),
        "width_s": width_s,
        "seconds": every_second if width_s == 1 else count_seconds(run, width_s=width_s),
        "window_s": window_s,
        "windows": measure_windows(run, width_s=window_s),
        "parts_over_time": measure_parts_over_time(run, width_s=window_s),
        "flight": measure_flight(run, width_s=window_s),
        "errors_over_time": count_reasons_over_time(run, width_s=width_s),
    }


def _compare_seconds(seconds: list[Second]) -> JsonObject | None:
    """Return in how many seconds the sends were exactly the plan's; None without a plan."""
    planned = [row for row in seconds if row.target is not None]
    if not planned:
        return None
    return {
        "seconds": len(planned),
        "exact_by_plan": sum(row.target == row.due for row in planned),
        "exact_by_clock": sum(row.target == row.sent for row in planned),
    }


def _list_groups(groups: Mapping[str, Group]) -> list[JsonObject]:
    return [{"name": name, **_open(group)} for name, group in groups.items()]


def _open(record: object) -> JsonObject:
    """Return the fields of a record, to stand among others."""
    fields: JsonObject = msgspec.to_builtins(record)
    return fields
