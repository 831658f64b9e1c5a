"""Writes the tables of ``docs/scale.md``, so that the document says what the code computes.

Run as ``python -m benchmarks.scale_simulation.document``. A table stands between two comments,
``<!-- table: NAME -->`` and ``<!-- end -->``; all else is prose and stays as it is.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.scale_simulation.plan import ImageCosts, Limits, Prices, constants_of
from benchmarks.scale_simulation.sizing import (
    GIGA,
    OBJECT_STORE,
    Design,
    Part,
    first_to_give_out,
    gpu_must_do,
    images_waiting,
    monthly,
    parts_of,
)
from benchmarks.service import PROJECT

DOCUMENT: Final = PROJECT / "docs" / "scale.md"
CHECK: Final = PROJECT / "docs" / "scale-check.json"
"""What the simulation and the service did, as ``bench scale_simulation`` leaves it."""
EMBEDDED: Final = Design("embedded", is_shared=False)
SHARED: Final = Design("shared as it is")
LOGGED: Final = Design(
    "shared, changed",
    records_together=200,
    images_together=100,
    hears_all=False,
    redis_shards=16,
    broker_queues=8,
    stays_in_zone=True,
)
CELLS: Final = Design(
    "100 cells",
    records_together=200,
    images_together=100,
    hears_all=False,
    redis_shards=16,
    broker_queues=8,
    stays_in_zone=True,
    cells=100,
)
INSTEAD: Final[Mapping[str, str]] = {
    "replicas": "more of them; a GPU where one does more than the cores for its price",
    "dispatchers": "a channel for each dispatcher: an end is told to the one that waits for it",
    "RabbitMQ": "several queues for a lane, chosen by a hash of the job",
    "Redis": "keys by a hash of the job instead of one slot for all: Redis Cluster",
    OBJECT_STORE: "many records, and many images, in one object",
}
_TABLE: Final = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def render(text: str, *, check: Path = CHECK) -> str:
    """Return a document with its tables as they are computed now.

    Raises:
        KeyError: it has a place for a table that nobody makes.
    """
    tables = make_tables(check)
    return _TABLE.sub(lambda found: f"{found[1]}{tables[found[2]]}\n{found[3]}", text)


def make_tables(check: Path) -> dict[str, str]:
    """Return all tables by name."""
    return {
        "costs": _constants(ImageCosts()),
        "limits": _constants(Limits()),
        "prices": _constants(Prices()),
        "check": _checked(check),
        "limits-as-it-is": _giving_out(),
        "1e2-embedded": _sized(1e2, EMBEDDED),
        "1e2-shared": _sized(1e2, SHARED),
        "1e4-shared": _sized(1e4, SHARED),
        "1e4-changed": _sized(1e4, LOGGED),
        "1e6-cells": _sized(1e6, CELLS),
        "totals": _totals(),
        "1e4-other": _others(1e4),
    }


def sized(rate: float, design: Design) -> list[Part]:
    """Return what a rate takes with the plan's constants."""
    return parts_of(rate, design, ImageCosts(), Limits(), Prices())


def _constants(record: ImageCosts | Limits | Prices) -> str:
    rows = [
        (f"`{one.name}`", f"{one.value:g} {one.source.unit}".strip(), one.source.origin.value,
         one.source.where)
        for one in constants_of(record)
    ]  # fmt: skip
    return _table(("constant", "value", "origin", "where from, what it is"), rows)


def _sized(rate: float, design: Design) -> str:
    parts = sized(rate, design)
    rows = [
        (
            part.name,
            _count(part.units) if part.cores else "",
            _count(part.cores) if part.cores else "",
            f"{_rounded(part.memory_gb)} GB" if part.cores else "",
            part.load,
            _rate(part.gives_out_at, rate),
            _dollars(part.dollars),
        )
        for part in parts
    ]
    total_cores = sum(part.cores for part in parts)
    rows.append(("**all**", "", f"**{_count(total_cores)}**", "", "", "",
                 f"**{_dollars(monthly(parts))}**"))  # fmt: skip
    head = ("part", "units", "cores", "memory", "load", "gives out at", "a month")
    return _table(head, rows)


def _giving_out() -> str:
    parts = [part for part in sized(1e4, SHARED) if part.name in INSTEAD]
    parts.sort(key=lambda part: part.gives_out_at)
    rows = [(part.name, _rate(part.gives_out_at, math.inf), INSTEAD[part.name]) for part in parts]
    return _table(("part, as it is", "images/s", "what replaces it"), rows)


def _totals() -> str:
    cases = [(1e2, EMBEDDED), (1e2, SHARED), (1e4, SHARED), (1e4, LOGGED), (1e6, CELLS)]
    rows = []
    for rate, design in cases:
        parts = sized(rate, design)
        first = first_to_give_out(parts)
        dollars = monthly(parts)
        millions = rate * Prices().hours * 3600 / 1e6
        store = sum(part.dollars for part in parts if part.name == OBJECT_STORE)
        is_done = first.gives_out_at >= rate
        rows.append(
            (
                f"{rate:,.0f}",
                design.name if is_done else f"{design.name}: **not possible**",
                _count(sum(part.cores for part in parts)),
                _dollars(dollars),
                _dollars(dollars / millions),
                f"{store / dollars:.0%}",
                f"{first.name}, {_rate(first.gives_out_at, rate)}",
            )
        )
    head = ("images/s", "design", "cores", "a month", "a million images",
            "of it object store", "first to give out")  # fmt: skip
    return _table(head, rows)


def _others(rate: float) -> str:
    costs, limits, prices = ImageCosts(), Limits(), Prices()
    hops = rate * costs.image_hops * costs.image_bytes / GIGA
    waiting = images_waiting(rate, limits)
    rows = [
        ("images on all hops", f"{_rounded(hops)} GB/s"),
        (
            "to and from Redis; RabbitMQ",
            f"{_rounded(rate * costs.redis_bytes / GIGA)}; "
            f"{_rounded(rate * costs.broker_bytes / GIGA)} GB/s",
        ),
        (
            f"waiting after {limits.jump:.0%} more for {limits.scale_up_s:.0f} s",
            f"{_count(waiting)} images, {_rounded(waiting * costs.image_bytes / GIGA)} GB",
        ),
        ("requests of clients", f"{_count(rate * costs.requests)}/s"),
        (
            "a GPU pays when it does more than",
            f"{_rounded(gpu_must_do(costs, limits, prices))} images/s",
        ),
    ]
    return _table(("beside the parts", ""), rows)


def _checked(path: Path) -> str:
    rows = []
    for one in json.loads(path.read_text()) if path.is_file() else []:
        real, simulated = one["real"], one["simulated"]
        rows.append(
            (
                one["kind"],
                _load(one["load"], one["repeat_share"]),
                f"{real['per_second']:.1f}",
                f"{simulated['per_second']:.1f}",
                f"{100 * one['throughput_error']:.1f} %",
                f"{1000 * real['p95_s']:.0f} ms",
                f"{1000 * simulated['p95_s']:.0f} ms",
                f"{100 * one['p95_error']:.1f} %",
                f"{real['refused']}, {simulated['refused']}",
            )
        )
    head = ("replicas", "load", "images/s", "simulated", "off by", "p95", "simulated", "off by",
            "refused, simulated")  # fmt: skip
    return _table(head, rows)


def _load(load: float, repeat_share: float) -> str:
    return f"{load:.2f}, {repeat_share:.0%} repeated" if repeat_share else f"{load:.2f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rate(most: float, rate: float) -> str:
    if math.isinf(most):
        return "adds up"
    shown = f"{_rounded(most)}/s"
    return shown if most >= rate else f"**{shown}**"


def _rounded(value: float) -> str:
    """Return a number with two significant digits."""
    if value <= 0:
        return "0"
    digits = 1 - math.floor(math.log10(value))
    return f"{round(value, digits):,.{max(0, digits)}f}"


def _count(value: float) -> str:
    return f"{math.ceil(value):,}" if value < 1000 else _rounded(value)


def _dollars(value: float) -> str:
    return f"${_rounded(value)}" if value else "$0"


def main() -> None:
    """Write the tables anew."""
    DOCUMENT.write_text(render(DOCUMENT.read_text()))


if __name__ == "__main__":
    main()
