"""The simulation beside the real embedded service, at rates at which nothing was calibrated.

``SCALE_OUT=docs`` in the environment has the figures and the picture written there, for
``docs/scale.md``.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.photos import load_photos
from benchmarks.report import Row, at_most
from benchmarks.scale_simulation.arrivals import Arrival, Phase, draw_arrivals
from benchmarks.scale_simulation.calibration import (
    classifier_costs,
    describe,
    measure_alone,
    measure_commits,
    measure_request_s,
    measure_saturated,
    scripted_costs,
)
from benchmarks.scale_simulation.offering import Offer
from benchmarks.scale_simulation.outcomes import Compared, simulate, summarize
from benchmarks.scale_simulation.picture import Curve, draw
from benchmarks.scale_simulation.replicas import ReplicaCosts
from benchmarks.scale_simulation.service import Layout, ServiceCosts
from benchmarks.scripted_steps import PIPELINE, STEP, scripted_steps
from benchmarks.service import running_service

ITEM_S: Final = 0.02
"""What a scripted replica takes for an image."""
PHASE_S: Final = 9.0
TURNS: Final = 2
"""How often a rate is sent; the run with the smaller p95 counts, because what else happens on the
machine only ever adds to it."""
TOLERANCE: Final = 0.10
USUAL_BYTES: Final = 104_000
DRAWN_LOADS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.3)


@dataclass(frozen=True, slots=True)
class Case:
    """One rate to check."""

    load: float
    """Part of the most that the service does; calibrated is at 0.06 and 1."""
    repeat_share: float = 0.0
    """Part of the images that were sent before: hits, or joined to their twin in flight."""

    def arrivals(self, most: float) -> list[Arrival]:
        """Return what is sent to a service that does so many images a second at most."""
        phase = Phase(self.load * most, PHASE_S)
        seed = round(1000 * (self.load + self.repeat_share))
        return draw_arrivals([phase], seed=seed, repeat_share=self.repeat_share)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """One kind of replicas, calibrated and checked."""

    kind: str
    words: str
    most: float
    costs: ServiceCosts
    layout: Layout
    compared: list[Compared]


SCRIPTED: Final = Layout(replicas=3, capacity=100, burst_s=3.0)
SCRIPTED_CASES: Final = (Case(0.3), Case(0.5), Case(0.7), Case(0.85), Case(1.2, 0.4), Case(1.3))
SCRIPTED_IMAGES: Final = 1200
CLASSIFIER: Final = Layout(replicas=2, capacity=200)
CLASSIFIER_CASES: Final = (Case(0.25), Case(0.5), Case(0.7))
CLASSIFIER_IMAGES: Final = 1536


def measure(data_dir: Path) -> list[Row]:
    """Return what was calibrated, and how far the simulation is off."""
    rows = []
    both = [check_scripted(data_dir), check_classifier(data_dir)]
    for one in both:
        rows.append(Row(f"{one.kind}: at most", f"{one.most:.1f} img/s"))
        rows.append(Row(f"  {one.words}", ""))
        rows += [row for compared in one.compared for row in _rows(compared)]
    if "SCALE_OUT" in os.environ:
        _leave(Path(os.environ["SCALE_OUT"]), both)
    return rows


def check_scripted(data_dir: Path) -> Calibrated:
    """Check with replicas that take a known time."""
    folder = data_dir / "scale-scripted"
    folder.mkdir(parents=True)
    photo = min(load_photos(), key=lambda photo: abs(len(photo.data) - USUAL_BYTES))
    query = f"pipeline={PIPELINE}"
    layout = SCRIPTED
    flags = ["--replicas", "0", "--operation-replicas", "0"]
    flags += ["--queue-capacity", str(layout.capacity), "--burst-s", str(layout.burst_s)]
    with (
        scripted_steps(folder, replicas=layout.replicas, service_s=ITEM_S) as replicas,
        running_service(flags, data_dir=folder, steps=[STEP]) as service,
    ):
        commits_s = uvloop.run(measure_commits(folder / "commits", photo.data))
        request_s = uvloop.run(measure_request_s(replicas[0], photo.data, item_s=ITEM_S))
        saturated = uvloop.run(
            measure_saturated(
                service, [photo], query=f"{query}&cache=false", images=SCRIPTED_IMAGES
            )
        )
        offer = Offer(service.url, [photo], query=query)
        alone_s, _ = uvloop.run(measure_alone(service, offer, saturated.per_second))
        costs = scripted_costs(saturated, alone_s, commits_s, ReplicaCosts(request_s, ITEM_S))
        most = saturated.per_second
        compared = [
            _compare("scripted", offer, costs, layout, most=most, case=c) for c in SCRIPTED_CASES
        ]
    return Calibrated("scripted", describe(costs), most, costs, layout, compared)


def check_classifier(data_dir: Path) -> Calibrated:
    """Check with the real classifier, whose replicas share the cores with everything else."""
    folder = data_dir / "scale-classifier"
    layout, photos = CLASSIFIER, load_photos()
    flags = ["--replicas", str(layout.replicas), "--operation-replicas", "0"]
    flags += ["--queue-capacity", str(layout.capacity)]
    with running_service(flags, data_dir=folder, steps=["default/0"]) as service:
        commits_s = uvloop.run(measure_commits(folder / "commits", photos[0].data))
        saturated = uvloop.run(
            measure_saturated(service, photos, query="cache=false", images=CLASSIFIER_IMAGES)
        )
        offer = Offer(service.url, photos, query="")
        alone_s, alone = uvloop.run(measure_alone(service, offer, saturated.per_second))
        costs = classifier_costs(saturated, alone, alone_s, commits_s, layout)
        most = saturated.per_second
        compared = [
            _compare("classifier", offer, costs, layout, most=most, case=c)
            for c in CLASSIFIER_CASES
        ]
    return Calibrated("classifier", describe(costs), most, costs, layout, compared)


def _compare(
    kind: str, offer: Offer, costs: ServiceCosts, layout: Layout, *, most: float, case: Case
) -> Compared:
    arrivals = case.arrivals(most)
    # A service that was overloaded keeps its queue short for a while: only the first run counts.
    count = 1 if case.load * (1 - case.repeat_share) > 1 else TURNS
    turns = [summarize(uvloop.run(offer.run(arrivals)), seconds=PHASE_S) for _ in range(count)]
    real = min(turns, key=lambda turn: turn.p95_s)
    simulated = simulate(costs, layout, arrivals, seconds=PHASE_S)
    return Compared(kind, case.load, case.repeat_share, real, simulated)


def _rows(one: Compared) -> list[Row]:
    real, simulated = one.real, one.simulated
    repeated = f", {one.repeat_share:.0%} repeated" if one.repeat_share else ""
    name = f"{one.kind}, load {one.load:.2f}{repeated}"
    return [
        Row(f"{name}: real, simulated", f"{real.per_second:.1f}, {simulated.per_second:.1f} img/s"),
        Row("  p50", f"{1000 * real.p50_s:.1f}, {1000 * simulated.p50_s:.1f} ms"),
        Row("  p95", f"{1000 * real.p95_s:.1f}, {1000 * simulated.p95_s:.1f} ms"),
        Row("  refused", f"{real.refused}, {simulated.refused}"),
        at_most("  throughput: off by", 100 * one.throughput_error, 100 * TOLERANCE, unit=" %"),
        at_most("  p95: off by", 100 * one.p95_error, 100 * TOLERANCE, unit=" %"),
    ]


def _leave(folder: Path, both: Sequence[Calibrated]) -> None:
    """Write figures and picture into a folder."""
    figures = [
        {
            **asdict(compared),
            "throughput_error": compared.throughput_error,
            "p95_error": compared.p95_error,
        }
        for one in both
        for compared in one.compared
    ]
    (folder / "scale-check.json").write_text(json.dumps(figures, indent=1) + "\n")
    (folder / "scale-simulation.png").write_bytes(draw([_curve(one) for one in both]))


def _curve(one: Calibrated) -> Curve:
    simulated = [
        (load, simulate(one.costs, one.layout, Case(load).arrivals(one.most), seconds=PHASE_S))
        for load in DRAWN_LOADS
    ]
    real = [
        (compared.load, compared.real) for compared in one.compared if not compared.repeat_share
    ]
    return Curve(one.kind, one.most, simulated, real)
