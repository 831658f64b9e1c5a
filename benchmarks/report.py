"""One table for all measurements."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, and what it shall be."""

    name: str
    value: str
    target: str = ""
    is_met: bool | None = None
    """None for a figure that has no target."""


def at_least(name: str, value: float, target: float, *, unit: str = "") -> Row:
    """Return a row for a figure that shall not be smaller than its target."""
    return Row(name, f"{value:.3f}{unit}", f">= {target:g}{unit}", value >= target)


def at_most(name: str, value: float, target: float, *, unit: str = "") -> Row:
    """Return a row for a figure that shall not be larger than its target."""
    return Row(name, f"{value:.2f}{unit}", f"<= {target:g}{unit}", value <= target)


def print_table(title: str, rows: Iterable[Row]) -> bool:
    """Print rows and return whether all targets are met."""
    rows = list(rows)
    print(f"\n{title}")
    for row in rows:
        mark = {True: "ok", False: "MISSED", None: ""}[row.is_met]
        print(f"  {row.name:<58} {row.value:>14}  {row.target:<12} {mark}", flush=True)
    return all(row.is_met is not False for row in rows)
