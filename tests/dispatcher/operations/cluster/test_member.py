"""One process of a cluster, whatever becomes of it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from dispatcher.errors import StartupError
from dispatcher.operations.cluster.member import Member
from dispatcher.operations.cluster.plan import Program
from tests.dispatcher.waiting import until
from tests.end_to_end.service import PROJECT, is_gone, wait_until

PATIENT = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)"

STARTER = """
import asyncio, sys
from pathlib import Path
from dispatcher.operations.cluster.member import Member
from dispatcher.operations.cluster.plan import Program

async def start():
    program = Program("one", [sys.executable, "-c", "import time; time.sleep(600)"])
    member = Member(program, folder=Path(sys.argv[1]), grace_s=1.0,
                    on_change=lambda: None, say=print)
    await member.start(lambda: asyncio.sleep(0, result=True))
    print(member.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(start())
"""

Make = Callable[..., Member]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[Member] = []

    def build(code: str, *, grace_s: float = 10.0, said: list[str] | None = None) -> Member:
        member = Member(
            Program("one", [sys.executable, "-c", code], {"OWN": "yes"}),
            folder=tmp_path,
            grace_s=grace_s,
            on_change=lambda: None,
            say=(said if said is not None else []).append,
        )
        made.append(member)
        return member

    yield build
    for member in made:
        await member.stop()
        assert member.pid is None


def is_up(folder: Path) -> Callable[[], "asyncio.Future[bool]"]:
    def look() -> "asyncio.Future[bool]":
        found = asyncio.get_running_loop().create_future()
        found.set_result("up" in (folder / "one.log").read_text())
        return found

    return look


async def test_it_serves_when_start_returns_and_is_gone_when_stop_does(
    make: Make, tmp_path: Path
) -> None:
    member = make(PATIENT)
    assert member.pid is None
    await member.start(is_up(tmp_path))
    pid = member.pid
    assert pid is not None
    await member.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_one_that_ends_instead_says_its_last_words(make: Make, tmp_path: Path) -> None:
    member = make("import sys; sys.exit('the port is taken')")
    with pytest.raises(StartupError, match=r"one does not start: the port is taken \(.*one.log"):
        await member.start(is_up(tmp_path))


async def test_one_that_ends_by_itself_is_started_again(make: Make, tmp_path: Path) -> None:
    said: list[str] = []
    member = make(PATIENT, said=said)
    await member.start(is_up(tmp_path))
    first = member.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: member.pid not in (None, first))
    assert said == ["one ended with status -9; it is started again"]


async def test_one_that_does_not_want_to_end_is_made_to(make: Make, tmp_path: Path) -> None:
    member = make(f"{STUBBORN}; time.sleep(600)", grace_s=0.1)
    await member.start(is_up(tmp_path))
    await member.stop()
    assert member.pid is None


async def test_it_has_variables_of_its_own_besides_those_of_everybody(
    make: Make, tmp_path: Path
) -> None:
    code = "import os; print(os.environ['OWN'], 'PATH' in os.environ, 'up', flush=True)"
    member = make(f"{code}; import time; time.sleep(600)")
    await member.start(is_up(tmp_path))
    assert (tmp_path / "one.log").read_text() == "yes True up\n"


def test_it_ends_with_whoever_started_it_however_that_ends(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], cwd=PROJECT, stdout=subprocess.PIPE
    )
    assert starter.stdout is not None
    with starter.stdout:
        started = psutil.Process(int(starter.stdout.readline()))
    assert started.is_running()
    starter.kill()
    starter.wait()
    wait_until(lambda: is_gone([started]), what="its end")
