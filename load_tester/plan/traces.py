"""Traces of real services: what others recorded, as something to send again.

Both formats are public. `azure-functions-2021`: github.com/Azure/AzurePublicDataset,
AzureFunctionsInvocationTrace2021.md (Zhang et al., SOSP 2021). `twitter`: the `workload.txt` of
BarAzmoon, as the IPA and InfAdapter experiments replay it: the requests of each second as whole
numbers between blanks. Where a trace has a number for each minute, `--scale-time 60` says so;
BarAzmoon's damping factor of 5 is `--scale-rate 1/5`.
"""

import csv
import math
import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from load_tester.errors import ScheduleError
from load_tester.plan.demand import Counts, Demand, begin_at_zero
from load_tester.plan.schedule import check_counts

_END, _DURATION = "end_timestamp", "duration"
_WORD = re.compile(r"[^\s,]+")


def read_trace(text: str) -> Demand:
    """Return the images that a trace asks for; `text` is `KIND:FILE`.

    Raises ScheduleError when there is no such kind, or the file is not one.
    """
    kind, _, file = text.partition(":")
    read = TRACES.get(kind)
    if read is None or not file:
        raise ScheduleError(f"not a trace: {text[:60]!r} ({', '.join(TRACES)}, then :FILE)")
    path = Path(file)
    try:
        return read(path)
    except (OSError, UnicodeDecodeError, ValueError) as exc:
        cause = getattr(exc, "strerror", None) or exc
        raise ScheduleError(f"cannot read the trace {file!r}: {cause}") from exc
    except ScheduleError as exc:
        raise ScheduleError(f"{file}: {exc}") from exc


def read_azure_functions(path: Path) -> Demand:
    """Return one image for each invocation, when it began: its end less its duration.

    Rows are in the order of their ends and in seconds; moments count from the earliest start.
    """
    with path.open(encoding="utf-8-sig", newline="") as lines:
        try:
            starts = array("d", _azure_starts(csv.reader(lines)))
        except csv.Error as exc:
            raise ScheduleError(f"not CSV: {exc}") from exc
    if not starts:
        raise ScheduleError("the trace has no invocations")
    return begin_at_zero(starts, source=f"trace {path.name}")


def read_twitter(path: Path) -> Demand:
    """Return as many images for each second as the trace has whole numbers."""
    text = path.read_text(encoding="utf-8-sig")
    counts = check_counts(match.group() for match in _WORD.finditer(text))
    return Counts(source=f"trace {path.name}", per_second=counts)


TRACES: Mapping[str, Callable[[Path], Demand]] = MappingProxyType(
    {"azure-functions-2021": read_azure_functions, "twitter": read_twitter}
)


def _azure_starts(rows: Iterator[list[str]]) -> Iterator[float]:
    header = [cell.strip().lower() for cell in next(rows, [])]
    if _END not in header or _DURATION not in header:
        raise ScheduleError(f"no columns {_END!r} and {_DURATION!r}")
    end, duration = header.index(_END), header.index(_DURATION)
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        try:
            start = float(row[end]) - float(row[duration])
        except (IndexError, ValueError) as exc:
            raise ScheduleError(f"line {number} is not an invocation") from exc
        if not math.isfinite(start):
            raise ScheduleError(f"line {number} is not an invocation")
        yield start
