"""The live view in a real pseudo-terminal, and what it leaves behind."""

import asyncio
import fcntl
import io
import logging
import os
import pty
import re
import signal
import struct
import sys
import termios
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import pytest
from rich.console import Console

from load_tester.cli import console
from load_tester.cli.live import LiveView, RateCounter, watch
from load_tester.engine.recorder import Flight, Recorder
from load_tester.errors import ExitCode
from load_tester.pacing import now_s
from load_tester.record import Outcome
from tests.load_tester.cli.running_script import SCRIPT
from tests.load_tester.scripted_service import SLOW, Fate, serve

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A pseudo-terminal and everything that was written to it."""

    def __init__(self, *, width: int) -> None:
        self.text = ""
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
        os.set_blocking(self.master, False)
        self._arrived = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.master, self._read)

    def _read(self) -> None:
        try:
            self.text += os.read(self.master, 65536).decode(errors="replace")
        except OSError:  # the other side is closed
            asyncio.get_running_loop().remove_reader(self.master)
        self._arrived.set()

    async def shows(self, text: str) -> None:
        while text not in self.text:
            self._arrived.clear()
            await asyncio.wait_for(self._arrived.wait(), 20)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.master)
        os.close(self.master)


def _without_size(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would be believed instead of the terminal."""
    return {name: value for name, value in environment.items() if name not in {"COLUMNS", "LINES"}}


@asynccontextmanager
async def started(
    *arguments: str, width: int = 80, **environment: str
) -> AsyncIterator[tuple[Process, Terminal]]:
    """The script with its standard error on a terminal of `width` columns."""
    terminal = Terminal(width=width)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(SCRIPT), *arguments, "--no-self-check"),
        stdout=PIPE,
        stderr=terminal.slave,
        env=_without_size(os.environ)
        | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        | environment,
        cwd="/",
    )
    os.close(terminal.slave)
    try:
        yield process, terminal
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        terminal.close()


async def test_a_narrow_terminal_without_colours_shows_the_run_and_is_left_as_it_was(
    photos: Path,
) -> None:
    arguments = ("--images", str(photos), "--schedule", "9")
    async with (
        serve(lambda _: SLOW) as service,
        started("--url", service.url, *arguments, width=40, NO_COLOR="1") as (process, terminal),
    ):
        out, _ = await asyncio.wait_for(process.communicate(), 20)
        await terminal.shows(SHOW)
    assert process.returncode == ExitCode.OK
    assert terminal.text.count(HIDE) == terminal.text.count(SHOW) == 1
    assert "Found 3 image files" in terminal.text
    # The view itself shows the seconds.
    assert "Second 1: Sending" not in terminal.text
    assert COLOUR.search(terminal.text) is None
    view = terminal.text[terminal.text.index(HIDE) : terminal.text.index(SHOW)]
    lines = [ESCAPE.sub("", line) for line in re.split(r"[\r\n]+", view)]
    assert {line.split()[0] for line in lines if line.split()} >= {"target", "sent", "so", "late"}
    assert max(map(len, lines)) <= 40
    assert "Load test finished" in out.decode()
    assert "\x1b" not in out.decode()


async def test_an_interrupted_view_leaves_the_terminal_as_it_was(photos: Path) -> None:
    arguments = ("--images", str(photos), "--schedule", "9,9,9,9,9")
    async with (
        serve(lambda _: Fate(after_s=None)) as service,
        started("--url", service.url, *arguments) as (process, terminal),
    ):
        await terminal.shows("in flight")
        process.send_signal(signal.SIGINT)
        out, _ = await asyncio.wait_for(process.communicate(), 20)
        await terminal.shows(SHOW)
    assert process.returncode == ExitCode.INTERRUPTED
    assert COLOUR.search(terminal.text) is not None
    assert terminal.text.rindex(SHOW) > terminal.text.rindex("in flight")
    assert "Load test interrupted" in out.decode()
    assert "Traceback" not in terminal.text


async def test_quiet_shows_neither_view_nor_log(photos: Path) -> None:
    arguments = ("--images", str(photos), "--schedule", "7", "--quiet")
    async with (
        serve(lambda _: SLOW) as service,
        started("--url", service.url, *arguments) as (process, terminal),
    ):
        out, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == ExitCode.OK
    assert terminal.text == ""
    assert "Load test finished" in out.decode()


def test_what_is_no_terminal_keeps_the_log_lines() -> None:
    shown = watch(Recorder(), planned=(1,), total=1, quiet=False)
    assert isinstance(shown, nullcontext)


def test_lines_logged_meanwhile_stand_above_the_view_and_errors_restore_it() -> None:
    console.start_logging()
    logger = logging.getLogger(console.LOGGER)
    before = logger.handlers[:]
    written = io.StringIO()
    screen = Console(file=written, force_terminal=True, width=60)
    view = LiveView(Recorder(), planned=(1,), total=1, console=screen)
    with pytest.raises(ValueError, match="broken"), view:
        logging.getLogger("load_tester.engine.open_loop").info("Second 1: Sending 1 images")
        logging.getLogger("load_tester.targets.client").warning("[gone] does not answer")
        raise ValueError("broken")
    assert "WARNING - [gone] does not answer" in written.getvalue()
    assert "Sending" not in written.getvalue()
    assert written.getvalue().rstrip().count(SHOW) == 1
    assert logger.handlers == before


class Gone(io.StringIO):
    """A terminal that is gone from the beginning, or as soon as something is told."""

    def __init__(self, *, after: str) -> None:
        super().__init__()
        self._after = after

    def write(self, text: str) -> int:
        if self._after in self.getvalue() + text:
            raise OSError(5, "Input/output error")
        return super().write(text)


@pytest.mark.parametrize("after", ["", "gone"])
def test_a_terminal_that_goes_away_does_not_take_the_run_with_it(after: str) -> None:
    console.start_logging()
    logger = logging.getLogger(console.LOGGER)
    before = logger.handlers[:]
    screen = Console(file=Gone(after=after), force_terminal=True, width=60)
    with LiveView(Recorder(), planned=(1,), total=1, console=screen):
        logger.warning("gone")
    assert logger.handlers == before


def test_a_name_in_a_log_line_is_no_markup_and_does_not_drive_the_terminal() -> None:
    console.start_logging()
    written = io.StringIO()
    screen = Console(file=written, force_terminal=True, width=60)
    with LiveView(Recorder(), planned=(1,), total=1, console=screen):
        logging.getLogger(console.LOGGER).warning("[bold]:smile: \x1b[2J\ud800.jpg")
    assert "[bold]:smile: \\x1b[2J\\ud800.jpg" in written.getvalue()


def test_the_view_reads_the_counters_of_the_run() -> None:
    recorder = Recorder()
    recorder.start_s = now_s() - 1.5
    view = LiveView(recorder, planned=(2, 2), total=4, console=Console(file=io.StringIO()))
    for index in range(3):
        flight = Flight(index=index, second=1, at_s=0.25, file="drum.jpg")
        recorder.send(flight)
        if index:
            recorder.end(flight, Outcome.FAILED, "http_500")
    now = view.look()
    assert (now.sent, now.in_flight, now.ended) == (3, 1, {Outcome.FAILED: 2})
    assert 1.5 <= now.elapsed_s < 60
    assert sum(now.sent_by_second) == 3
    assert len(now.lateness_s) == 3


def test_before_the_first_send_no_time_has_passed() -> None:
    view = LiveView(Recorder(), planned=(2,), total=2, console=Console(file=io.StringIO()))
    assert view.look().elapsed_s == 0


def test_counts_go_to_the_second_in_which_they_were_seen() -> None:
    counter = RateCounter()
    for elapsed_s, total in ((0.0, 0), (0.5, 10), (0.9, 18), (2.4, 18), (2.5, 20)):
        counter.look(total, elapsed_s=elapsed_s)
    assert counter.by_second == [18, 0, 2]


def test_a_look_across_the_end_of_a_second_is_shared_out() -> None:
    counter = RateCounter()
    counter.look(8, elapsed_s=0.8)
    counter.look(12, elapsed_s=1.2)
    assert counter.by_second == [10, 2]
    counter.look(32, elapsed_s=3.2)
    assert counter.by_second == [10, 10, 10, 2]
