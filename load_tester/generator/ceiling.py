"""What this load tester can do at most on this machine, against a service that costs nothing.

Measured just before a run with the client, the images and the event loop of the run itself.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

from load_tester.errors import ImageError, UnreachableError
from load_tester.images import Upload
from load_tester.pacing import now_s
from load_tester.run import Ceiling
from load_tester.settings import TargetSettings
from load_tester.targets.base import Target, Ticket
from load_tester.targets.opening import open_target

ECHO_MODULE = "load_tester.generator.echo"
# Enough to keep a core busy; more only makes each wait for the others.
WORKERS = 32
# Connections are opened and code is warmed up before anything is counted.
WARM_UP_PART = 0.25
START_TIMEOUT_S = 20.0

_PROJECT = Path(__file__).resolve().parents[2]


async def measure_ceiling(
    uploads: Sequence[Upload], settings: TargetSettings, *, seconds: float = 1.0
) -> Ceiling:
    """Return how many images a second this load tester can send and ask for once, at most.

    Takes a quarter longer than `seconds`. Raises UnreachableError when the echo server does not
    start, or breaks off.
    """
    async with run_echo() as url:
        # The measured service is another one; no key of the real one is sent to it.
        echo = replace(settings, urls=(url,), api_key=None, params=None, operations=None)
        async with open_target(echo) as target:
            await _cycle(target, uploads, WARM_UP_PART * seconds)
            began_s = now_s()
            cycles = await _cycle(target, uploads, seconds)
            cycles_per_s = cycles / (now_s() - began_s)
    mean_bytes = sum(len(upload.body) for upload in uploads) // len(uploads)
    return Ceiling(cycles_per_s=cycles_per_s, body_bytes=mean_bytes)


@asynccontextmanager
async def run_echo() -> AsyncIterator[str]:
    """Run an echo server as a child process and yield its URL; it ends with this context."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        ECHO_MODULE,
        cwd=_PROJECT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Ctrl-C is for this process alone; the child ends with its standard input.
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            url = (await process.stdout.readline()).decode().strip()
        if not url:
            raise UnreachableError("the echo server of the self-check does not start")
        yield url
    except TimeoutError as exc:
        raise UnreachableError("the echo server of the self-check does not start") from exc
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _cycle(target: Target, uploads: Sequence[Upload], seconds: float) -> int:
    """Return how many images were carried to their end in that time, by workers in turns."""
    ends_s = now_s() + seconds
    numbers = count()
    done = 0

    async def work() -> None:
        nonlocal done
        while now_s() < ends_s:
            number = next(numbers)
            await _carry(target, uploads[number % len(uploads)], number)
            done += 1

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(work())
    except* ImageError as exc:
        raise UnreachableError(f"the self-check failed: {exc.exceptions[0]}") from exc
    return done


async def _carry(target: Target, upload: Upload, number: int) -> None:
    endpoint = target.choose(number)
    answer = await endpoint.send(upload)
    if isinstance(answer, Ticket):
        await endpoint.await_answer(answer, upload)
