"""How numbers are written for people: the same everywhere. Pure."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

NOT_KNOWN: Final = "n/a"
_FINE_MS: Final = 10
_COARSE_MS: Final = 1000
_WHOLE: Final = 1000
_KIB: Final = 1024


class Unit(StrEnum):
    """What a number of the report is, and so how it is written."""

    MILLISECONDS = "ms"  # from seconds
    SECONDS = "s"
    RATE = "rate"
    RATIO = "ratio"
    COUNT = "count"
    SHARE = "share"  # from a part of 1 to percent
    BYTES = "bytes"
    MEBIBYTES = "mebibytes"
    PLAIN = "plain"


def write_number(value: float | None, unit: Unit) -> str:
    """Return the number as it is read, without its unit where a table's head says it."""
    return NOT_KNOWN if value is None else _WRITERS[unit](value)


def _write_ms(value_s: float) -> str:
    value = 1000 * value_s
    if abs(value) < _FINE_MS:
        return f"{value:.2f}"
    return f"{value:.1f}" if abs(value) < _COARSE_MS else f"{value:,.0f}"


def _write_bytes(value: float) -> str:
    if value < _KIB:
        return f"{value:.0f} B"
    return f"{value / _KIB:,.1f} KiB" if value < _KIB**2 else f"{value / _KIB**2:,.1f} MiB"


_WRITERS: Final[dict[Unit, Callable[[float], str]]] = {
    Unit.MILLISECONDS: _write_ms,
    Unit.SECONDS: lambda value: f"{value:,.2f}",
    Unit.RATE: lambda value: f"{value:,.2f}",
    Unit.RATIO: lambda value: f"{value:.3f}",
    Unit.COUNT: lambda value: f"{value:,.0f}",
    Unit.SHARE: lambda value: f"{100 * value:.2f} %",
    Unit.BYTES: _write_bytes,
    Unit.MEBIBYTES: lambda value: f"{value / _KIB**2:,.0f}",
    Unit.PLAIN: lambda value: f"{value:,.0f}" if abs(value) >= _WHOLE else f"{value:.4g}",
}
