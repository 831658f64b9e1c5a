"""Whether one run was faster than another, or chance alone explains the difference. Pure.

Every figure of the second run is compared with that of the first by a block bootstrap
(`resampling`). The intervals are simultaneous: with a chance of 97.5 % all of them together hold
what is true, each of n rows being at 1 - 0.025 / n (Bonferroni). So of a hundred comparisons of a
service with itself two or three tell a difference, whichever row it is in.

How many images a comparison needs: with latencies spread as lognormal with sigma 0.5 and
independent of each other, 5,000 in each run show a p95 that is larger by 10 % in nine of ten
comparisons; with sigma 0.25, 1,500. Where neighbours are alike it takes more, and then the
interval says so by its width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from load_tester.figures.changes import Change, compare_quantiles, compare_rates, compare_shares
from load_tester.figures.latency import tell_percentiles
from load_tester.figures.rates import measure_rates
from load_tester.figures.resampling import Floats, likeness
from load_tester.figures.sameness import find_differences
from load_tester.figures.window import is_forestalled, measured_records
from load_tester.record import Outcome
from load_tester.run import Run

CONFIDENCE = 0.975
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
# A percentile that fewer independent images exceed moves too much to be compared.
BEYOND = 20


class Finding(StrEnum):
    """What a comparison says of the second run."""

    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no difference shown"
    MIXED = "mixed"  # some figures are better and some are worse
    TOO_FEW = "too few images"  # to tell


class Kind(StrEnum):
    """What a row compares, and how."""

    LATENCY = "latency"  # seconds; the change is a ratio, below 1 is better
    GOODPUT = "goodput"  # images a second; the change is a ratio, above 1 is better
    ERRORS = "errors"  # a part of the images due; the change is a difference, below 0 is better


_KINDS = {"goodput": Kind.GOODPUT, "error": Kind.ERRORS}
_WORDS = {
    (Kind.LATENCY, Finding.BETTER): "faster",
    (Kind.LATENCY, Finding.WORSE): "slower",
    (Kind.GOODPUT, Finding.BETTER): "more a second",
    (Kind.GOODPUT, Finding.WORSE): "fewer a second",
    (Kind.ERRORS, Finding.BETTER): "fewer errors",
    (Kind.ERRORS, Finding.WORSE): "more errors",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One figure of both runs, and its change with the interval that chance leaves open."""

    name: str
    kind: Kind
    first: float | None
    second: float | None
    change: float | None
    low: float | None
    high: float | None
    finding: Finding
    word: str
    """The finding as it is said of this kind, such as `slower`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The second run beside the first; `warnings` say what else differs between them."""

    rows: tuple[Row, ...]
    finding: Finding
    first_images: int
    second_images: int
    warnings: tuple[str, ...]
    confidence: float = CONFIDENCE
    """The chance that all intervals together hold what is true."""

    @property
    def is_worse(self) -> bool:
        """Whether any figure of the second run is worse beyond chance."""
        return any(row.finding is Finding.WORSE for row in self.rows)


@dataclass(frozen=True, slots=True)
class _Side:
    """One run as series in the order of time."""

    latencies_s: Floats
    """Of each image due, NaN unless it ended ok."""
    errors: Floats
    """1 for each image due that did not end ok, else 0."""
    gaps_s: Floats
    """Between each two results, in the order in which they were seen."""
    goodput_per_s: float | None
    plan_digest: str


def compare(first: Run, second: Run, *, seed: int = 0) -> Comparison:
    """Return the comparison of the second run with the first; the same seed gives the same."""
    a, b = _read(first), _read(second)
    changes = _find_changes(a, b, np.random.default_rng(seed))
    told = _tell_figures(a, b)
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(changes))
    rows = tuple(
        _make_row(name, figures, changes.get(name), confidence=confidence)
        for name, figures in told.items()
    )
    return Comparison(
        rows=rows,
        finding=_sum_up(rows),
        first_images=len(a.errors),
        second_images=len(b.errors),
        warnings=find_differences(first, second),
    )


def _read(run: Run) -> _Side:
    due = [
        record
        for record in measured_records(run)
        if not is_forestalled(record) and record.outcome is not Outcome.ABANDONED
    ]
    is_ok = np.array([record.outcome is Outcome.OK for record in due], dtype=bool)
    latencies = np.array([record.end_to_end_s for record in due], dtype=np.float64)
    seen = np.array([record.seen_s for record in due], dtype=np.float64)
    return _Side(
        latencies_s=np.where(is_ok, latencies, np.nan),
        errors=np.where(is_ok, 0.0, 1.0),
        gaps_s=np.diff(np.sort(seen[is_ok])),
        goodput_per_s=measure_rates(run).goodput_per_s,
        plan_digest=run.asked.plan_digest,
    )


def _find_changes(a: _Side, b: _Side, rng: np.random.Generator) -> Mapping[str, Change]:
    """Return the change of every figure that there are enough images to compare."""
    changes: dict[str, Change] = {}
    is_paired = a.plan_digest == b.plan_digest and len(a.errors) == len(b.errors)
    fewer = _count_independent(a.latencies_s, b.latencies_s, is_paired=is_paired)
    wanted = {name: q for name, q in QUANTILES.items() if fewer * (1 - q) >= BEYOND - 1e-9}
    if wanted:
        found = compare_quantiles(
            a.latencies_s, b.latencies_s, list(wanted.values()), is_paired=is_paired, rng=rng
        )
        changes |= zip(wanted, found, strict=True)
    if min(len(a.gaps_s), len(b.gaps_s)) >= BEYOND:
        changes["goodput"] = compare_rates(a.gaps_s, b.gaps_s, rng=rng)
    if min(len(a.errors), len(b.errors)) >= BEYOND:
        changes["error"] = compare_shares(a.errors, b.errors, rng=rng)
    return changes


def _count_independent(first: Floats, second: Floats, *, is_paired: bool) -> float:
    """Return how many independent images tell as much as those of the run with fewer."""
    counts = [int(np.count_nonzero(~np.isnan(side))) for side in (first, second)]
    if is_paired:
        return min(counts) / likeness(np.log(second) - np.log(first))
    return min(count / likeness(side) for count, side in zip(counts, (first, second), strict=True))


def _tell_figures(a: _Side, b: _Side) -> dict[str, tuple[float | None, float | None]]:
    percents = [100 * quantile for quantile in QUANTILES.values()]
    told = [
        tell_percentiles(side.latencies_s[~np.isnan(side.latencies_s)].tolist(), percents)
        for side in (a, b)
    ]
    errors = [float(side.errors.mean()) if side.errors.size else None for side in (a, b)]
    return {
        **{name: (told[0][place], told[1][place]) for place, name in enumerate(QUANTILES)},
        "goodput": (a.goodput_per_s, b.goodput_per_s),
        "error": (errors[0], errors[1]),
    }


def _make_row(
    name: str,
    figures: tuple[float | None, float | None],
    change: Change | None,
    *,
    confidence: float,
) -> Row:
    kind = _KINDS.get(name, Kind.LATENCY)
    bounds: tuple[float | None, float | None, float | None] = (None, None, None)
    finding = Finding.TOO_FEW
    if change is not None:
        low, high = change.interval(confidence=confidence)
        finding = _judge(kind, low, high)
        bounds = (change.point, low, high)
        if kind is not Kind.ERRORS:
            bounds = (float(np.exp(change.point)), float(np.exp(low)), float(np.exp(high)))
    return Row(
        name=name,
        kind=kind,
        first=figures[0],
        second=figures[1],
        change=bounds[0],
        low=bounds[1],
        high=bounds[2],
        finding=finding,
        word=_WORDS.get((kind, finding), str(finding)),
    )


def _judge(kind: Kind, low: float, high: float) -> Finding:
    """Say what an interval of a change means, where 0 is no change."""
    if low <= 0 <= high:
        return Finding.NO_DIFFERENCE
    is_more_good = kind is Kind.GOODPUT
    return Finding.BETTER if (low > 0) == is_more_good else Finding.WORSE


def _sum_up(rows: tuple[Row, ...]) -> Finding:
    found = {row.finding for row in rows}
    if {Finding.BETTER, Finding.WORSE} <= found:
        return Finding.MIXED
    for finding in (Finding.BETTER, Finding.WORSE, Finding.NO_DIFFERENCE):
        if finding in found:
            return finding
    return Finding.TOO_FEW
