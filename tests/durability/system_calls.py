"""Reads what strace has seen of a process: which call was done before which other began."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

TRACED = "pwrite64,write,writev,sendto,sendmsg,fsync,fdatasync"
_SHOWN_BYTES = 8192
_LINE = re.compile(r"(\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<name>\w+)\()(?P<rest>.*)")
_UNFINISHED = "<unfinished ...>"


@dataclass(frozen=True, slots=True)
class Call:
    """One system call of one thread; the numbers are lines of the trace."""

    name: str
    arguments: str
    """As strace writes them, the name of the file behind each descriptor included."""
    began: int
    ended: int


def is_strace_allowed() -> bool:
    """Say whether strace is installed and may trace."""
    if shutil.which("strace") is None:
        return False
    probe = subprocess.run(
        ["strace", "-o", "/dev/null", "true"], capture_output=True, check=False, timeout=30
    )
    return probe.returncode == 0


def strace(trace: Path) -> Sequence[str]:
    """Return the command that traces another one, which keeps its process id."""
    options = ["-f", "-D", "-yy", "-s", str(_SHOWN_BYTES), "-e", f"trace={TRACED}"]
    return ["strace", *options, "-o", str(trace)]


def read_calls(trace: Path) -> list[Call]:
    """Return the calls of a trace in the order in which they ended."""
    return list(_calls(trace))


def _calls(trace: Path) -> Iterator[Call]:
    unfinished: dict[str, tuple[int, str, str]] = {}
    with trace.open(errors="replace") as lines:
        for number, line in enumerate(lines):
            found = _LINE.match(line)
            if found is None:
                continue
            thread, name, rest = found[1], found["name"], found["rest"]
            if found["resumed"]:
                began, name, arguments = unfinished.pop(thread)
                yield Call(name, arguments, began, number)
            elif rest.endswith(_UNFINISHED):
                unfinished[thread] = (number, name, rest)
            else:
                yield Call(name, rest, number, number)
