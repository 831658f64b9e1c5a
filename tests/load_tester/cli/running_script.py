"""The load tester as its user starts it: a process, its output and its exit code."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "load_tester" / "load_tester.py"
_LONGEST_S = 90.0


@dataclass(frozen=True)
class Ended:
    """What an ended script left behind."""

    code: int | None
    out: str
    err: str

    def complaints(self) -> list[str]:
        """Return the lines on standard error that are no log lines."""
        return [line for line in self.err.splitlines() if " - INFO - " not in line]


@asynccontextmanager
async def started(*arguments: str | Path) -> AsyncIterator[Process]:
    """Start the script in another folder; it is killed at the end if it still runs."""
    command = [sys.executable, "-W", "error", str(SCRIPT), *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, cwd="/")
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def end_of(process: Process) -> Ended:
    """Wait for the end of a script and return what it left behind."""
    out, err = await asyncio.wait_for(process.communicate(), _LONGEST_S)
    return Ended(process.returncode, out.decode(), err.decode())


async def script(*arguments: str | Path) -> Ended:
    """Run the script to its end."""
    async with started(*arguments) as process:
        return await end_of(process)
