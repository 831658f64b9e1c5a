"""How a kernel's speed grows with its threads, and the two laws that describe it. Pure."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

# A law with as many free parameters as there are points goes through all of them and says nothing.
AMDAHL_POINTS = 3
USL_POINTS = 4
# What Gunther asks for before a fit is relied on.
USL_POINTS_ADVISED = 6
# Repeats that differ more than this say that the machine was busy, or the picture too small.
UNSTEADY = 2.0
# A fit that is bounded at 0 ends a little above it.
_NOTHING = 1e-9

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversion:
    """One picture converted: the time of the kernel, and of the whole step, in seconds."""

    threads: int
    kernel_s: float
    total_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """Repeats of one measurement, in seconds."""

    median_s: float
    min_s: float
    max_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalingPoint:
    """What one number of threads achieved, by medians."""

    threads: int
    repeats: int
    kernel: Times
    total: Times
    speed_up: float
    """Of the kernel, against its own time with one thread."""
    efficiency: float
    """The speed-up for each thread; 1 is all that there is."""
    serial_fraction: float | None
    """What Amdahl's law makes of this point alone (Karp and Flatt, *Measuring parallel processor
    performance*, CACM 33(5), 1990): growing with the threads, it tells of overhead; None for 1."""
    total_speed_up: float
    """Of the whole step; what is not the kernel does not get faster."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """A scalability law fitted to the kernel's rate (conversions a second) over the threads.

    The rate of N threads is `N / (one_thread_s (1 + contention (N - 1) + coherency N (N - 1)))`:
    the Universal Scalability Law (Gunther, *Guerrilla Capacity Planning*, Springer 2007, ch. 4 to
    6), in the form with the rate of one thread as a third parameter (Moeding's R package `usl`).
    With a coherency of 0 it is Amdahl's law (Amdahl, *Validity of the single processor approach
    to achieving large scale computing capabilities*, AFIPS 1967), the contention being the serial
    fraction.
    """

    one_thread_s: float
    contention: float
    """What only one thread at a time can do, as a part of the work: Amdahl's serial fraction."""
    coherency: float
    """What each pair of threads costs to agree, as a part of the work; 0 in Amdahl's law."""
    error: float
    """Root mean square of the relative distance from the measured rates."""
    threads: tuple[int, ...]
    """The points that it was fitted to."""

    def predict_s(self, threads: float) -> float:
        """Return the kernel's time with so many threads, in seconds."""
        others = threads - 1
        slowed = 1 + self.contention * others + self.coherency * threads * others
        return self.one_thread_s * slowed / threads

    @property
    def peak_threads(self) -> float | None:
        """The number of threads beyond which it gets slower; None when there is none."""
        if self.coherency == 0:
            return None
        return math.sqrt(max(1.0, (1 - self.contention) / self.coherency))

    @property
    def most_speed_up(self) -> float | None:
        """The speed-up that no number of threads exceeds; None when there is none."""
        if self.peak_threads is not None:
            return self.predict_s(1) / self.predict_s(self.peak_threads)
        return 1 / self.contention if self.contention else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaling:
    """The points in the order of their threads, the laws where there are enough points."""

    points: tuple[ScalingPoint, ...]
    amdahl: Law | None
    usl: Law | None
    notes: tuple[str, ...]
    """What to keep in mind when reading the figures, a sentence each."""


def measure_scaling(conversions: Iterable[Conversion], *, cores: int | None) -> Scaling:
    """Return the scaling that the conversions show; `cores` is the server's, None if unknown.

    Raises ValueError when there is no conversion with one thread: nothing to compare with.
    """
    by_threads: dict[int, list[Conversion]] = {}
    for conversion in conversions:
        by_threads.setdefault(conversion.threads, []).append(conversion)
    if 1 not in by_threads:
        raise ValueError("no conversion with one thread")
    points = [_measure_point(group, by_threads[1]) for _, group in sorted(by_threads.items())]
    # Threads that share a core are no test of a law on threads that each have one.
    within = [point for point in points if cores is None or point.threads <= cores]
    amdahl = fit_amdahl(within) or fit_amdahl(points)
    usl = fit_usl(within) or fit_usl(points)
    return Scaling(
        points=tuple(points),
        amdahl=amdahl,
        usl=usl,
        notes=tuple(_find_notes(points, cores=cores, laws={"Amdahl's law": amdahl, "USL": usl})),
    )


def fit_amdahl(points: Sequence[ScalingPoint]) -> Law | None:
    """Return Amdahl's law, starting from the time of one thread; None for fewer than three points.

    The serial fraction is that of the least squares of the speed-up.
    """
    threads = _threads(points)

    def speed_up(law: Numbers) -> Numbers:
        contention = float(law[0])
        return threads / (1 + contention * (threads - 1))

    if len(points) < AMDAHL_POINTS:
        return None
    return _fit(points, speed_up, start=[0.1], highest=[1.0])


def fit_usl(points: Sequence[ScalingPoint]) -> Law | None:
    """Return the Universal Scalability Law by least squares of the rate; None for fewer than four.

    The rate of one thread is fitted, too, so that one bad measurement does not bend the curve.
    """
    threads = _threads(points)

    def rate(law: Numbers) -> Numbers:
        contention, coherency, rate_of_one = map(float, law)
        return rate_of_one * threads / (1 + (threads - 1) * (contention + coherency * threads))

    if len(points) < USL_POINTS:
        return None
    return _fit(points, rate, start=[0.1, 0.001, 1.0], highest=[np.inf] * 3)


def _fit(
    points: Sequence[ScalingPoint],
    predict: Callable[[Numbers], Numbers],
    *,
    start: Sequence[float],
    highest: Sequence[float],
) -> Law | None:
    """Fit (contention[, coherency, rate of one thread]) to the rates, none of them below 0.

    Rates are in units of the measured one of one thread, so that all parameters are near 1 or
    below, which the solver likes.
    """
    rates = np.array([point.speed_up for point in points])
    bounds = ([0.0] * len(start), highest)
    solved = least_squares(lambda law: predict(law) - rates, start, bounds=bounds)
    # Amdahl's law has neither a coherency nor a rate of its own.
    contention, coherency, rate = (*map(float, solved.x), *(0.0, 1.0)[len(start) - 1 :])
    if not solved.success or rate <= 0:
        return None
    distances = predict(solved.x) / rates - 1
    return Law(
        one_thread_s=points[0].kernel.median_s / rate,
        contention=contention if contention > _NOTHING else 0.0,
        coherency=coherency if coherency > _NOTHING else 0.0,
        error=float(np.sqrt(np.mean(distances**2))),
        threads=tuple(point.threads for point in points),
    )


def _threads(points: Sequence[ScalingPoint]) -> Numbers:
    return np.array([point.threads for point in points], dtype=np.float64)


def _measure_point(group: Sequence[Conversion], alone: Sequence[Conversion]) -> ScalingPoint:
    """Summarize the repeats of one number of threads, compared with those of one thread."""
    kernel = _summarize([conversion.kernel_s for conversion in group])
    total = _summarize([conversion.total_s for conversion in group])
    threads = group[0].threads
    speed_up = median(conversion.kernel_s for conversion in alone) / kernel.median_s
    return ScalingPoint(
        threads=threads,
        repeats=len(group),
        kernel=kernel,
        total=total,
        speed_up=speed_up,
        efficiency=speed_up / threads,
        serial_fraction=None if threads == 1 else (1 / speed_up - 1 / threads) / (1 - 1 / threads),
        total_speed_up=median(conversion.total_s for conversion in alone) / total.median_s,
    )


def _summarize(measured_s: Sequence[float]) -> Times:
    return Times(median_s=median(measured_s), min_s=min(measured_s), max_s=max(measured_s))


def _find_notes(
    points: Sequence[ScalingPoint], *, cores: int | None, laws: Mapping[str, Law | None]
) -> Iterator[str]:
    """Yield what the number of points and the number of cores take from the figures."""
    if cores is None:
        yield "how many cores the server has is not known (--server-cores)"
    beyond = [point.threads for point in points if cores is not None and point.threads > cores]
    if beyond:
        yield f"{_listed(beyond)} threads share the server's {cores} cores"
    for point in points:
        if point.kernel.max_s > UNSTEADY * point.kernel.min_s:
            ratio = point.kernel.max_s / point.kernel.min_s
            yield f"times with {_threads_of(point)} differ by a factor of {ratio:.1f}"
    for name, law in laws.items():
        if law is not None and set(law.threads) & set(beyond):
            yield f"{name} is fitted to threads that share cores, for want of other points"
    if laws["Amdahl's law"] is None:
        yield "no fit of Amdahl's law: it needs 1 and at least two more numbers of threads"
    usl = laws["USL"]
    if usl is None:
        yield "no fit of the USL: it needs 1 and at least three more numbers of threads"
    elif len(usl.threads) < USL_POINTS_ADVISED:
        yield f"a fit of the USL to {len(usl.threads)} points is rough: six or more are advised"


def _threads_of(point: ScalingPoint) -> str:
    return "1 thread" if point.threads == 1 else f"{point.threads} threads"


def _listed(numbers: Sequence[int]) -> str:
    words = [str(number) for number in numbers]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
