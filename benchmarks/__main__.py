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
    throughput,
    tiles,
)
from benchmarks.report import print_table

BENCHMARKS = {
    "accuracy": ("Labels through the API", accuracy.measure),
    "throughput": ("Throughput, distinct photos, cache off", throughput.measure),
    "durability": ("Durable queue beside memory", durability.measure),
    "hits": ("Cache hits", hits.measure),
    "operations": ("Operations on pictures", operations.measure),
    "tiles": ("Tiles and threads, 24 megapixels", tiles.measure),
    "overload": ("Five times as much as the service can do", overload.measure),
    "bad_replica": ("One bad replica of four", bad_replica.measure),
    "footprint": ("Footprint", footprint.measure),
}


def main() -> int:
    """Run the benchmarks named, or all."""
    parser = argparse.ArgumentParser(prog="./setup.sh bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or list(BENCHMARKS)
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


if __name__ == "__main__":
    sys.exit(main())
