"""``python -m benchmarks [NAME…]``: measure and print; exit 1 when a target is missed."""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import (
    accuracy,
    bad_replica,
    durability,
    footprint,
    hits,
    operations,
    overload,
    page,
    shared,
    throughput,
    tiles,
)
from benchmarks.load_tester import (
    comparing,
    faults,
    fidelity,
    locust,
    polling,
    speed,
    stall,
    verdict,
)
from benchmarks.report import print_table
from benchmarks.scale_simulation import check as scale_simulation

BENCHMARKS = {
    "accuracy": ("Labels through the API", accuracy.measure),
    "throughput": ("Throughput, distinct photos, cache off", throughput.measure),
    "durability": ("Durable queue beside memory", durability.measure),
    "hits": ("Cache hits", hits.measure),
    "operations": ("Operations on pictures", operations.measure),
    "tiles": ("Tiles and threads, 24 megapixels", tiles.measure),
    "overload": ("Five times as much as the service can do", overload.measure),
    "bad_replica": ("One bad replica of four", bad_replica.measure),
    "page": ("Ten people look", page.measure),
    "shared": ("Several dispatchers beside one", shared.measure),
    "scale_simulation": ("The simulation beside the service", scale_simulation.measure),
    "footprint": ("Footprint", footprint.measure),
    "load_tester_stall": ("Load tester: a service that stops for 2 s", stall.measure),
    "load_tester_fidelity": ("Load tester: the default schedule", fidelity.measure),
    "load_tester_polling": ("Load tester: when a result was there", polling.measure),
    "load_tester_faults": ("Load tester: faults made on purpose", faults.measure),
    "load_tester_speed": ("Load tester: cycles a second", speed.measure),
    "load_tester_memory": ("Load tester: 10,000 in flight", speed.measure_memory),
    "load_tester_disturbed": ("Load tester: disturbed on purpose", verdict.measure_disturbed),
    "load_tester_clean": ("Load tester: left alone", verdict.measure_clean),
    "load_tester_comparing": ("Load tester: comparing two runs", comparing.measure),
    "load_tester_locust": ("Load tester beside Locust", locust.measure),
}
LOAD_TESTER = "load_tester"
"""Stands for all of its parts."""


def main() -> int:
    """Run the benchmarks named, or all."""
    parser = argparse.ArgumentParser(prog="./setup.sh bench")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=", ".join([*BENCHMARKS, LOAD_TESTER])
    )
    names = _spell_out(parser.parse_args().names) or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; known: {', '.join(BENCHMARKS)}")
    all_met = True
    with tempfile.TemporaryDirectory(prefix="conveyor-bench-") as data_dir:
        for name in names:
            title, measure = BENCHMARKS[name]
            print(f"measuring: {title} (a minute or two)", file=sys.stderr, flush=True)
            all_met &= print_table(title, measure(Path(data_dir)))
    return 0 if all_met else 1


def _spell_out(names: list[str]) -> list[str]:
    parts = [name for name in BENCHMARKS if name.startswith(f"{LOAD_TESTER}_")]
    return [part for name in names for part in (parts if name == LOAD_TESTER else [name])]


if __name__ == "__main__":
    sys.exit(main())
