"""The live view in a terminal: a thread that looks at the counters four times a second.

It never runs on the event loop and never waits for it. A frame takes two milliseconds of Python,
of which a send waits for a fifth of one at most: during a run threads change that often
(`engine.calm`).
"""

import argparse
import logging
import queue
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from threading import Event, Thread
from types import TracebackType

from rich.console import Console, RenderableType
from rich.live import Live

from load_tester.cli.console import LOGGER
from load_tester.cli.frame import Snapshot, draw_frame
from load_tester.engine.recorder import Recorder
from load_tester.pacing import now_s
from load_tester.record import Outcome

FRAME_S = 0.25
# What the view shows better than these loggers can tell.
ENGINE = "load_tester.engine"


def add_live_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags on what a terminal shows during a run."""
    parser.add_argument(
        "--quiet", action="store_true", help="no live view and no log lines, only the summary"
    )


def watch(
    recorder: Recorder, *, planned: Sequence[int], total: int, quiet: bool
) -> AbstractContextManager[object]:
    """Return what shows the run while it is entered: a live view, or nothing but the log lines.

    `planned` is the images of each second, empty in a closed loop; `total` all of them. There is
    a view only where stderr is a terminal that can be written over.
    """
    console = Console(stderr=True, highlight=False)
    if quiet or not sys.stderr.isatty() or console.is_dumb_terminal:
        return nullcontext()
    return LiveView(recorder, planned=planned, total=total, console=console)


class RateCounter:
    """How often something happened in each second, from a total that is looked at now and then."""

    def __init__(self) -> None:
        self.by_second: list[int] = []
        self._total = 0
        self._at_s = 0.0

    def look(self, total: int, *, elapsed_s: float) -> None:
        """Count what happened since the last look; evenly, where a second ended in between."""
        before, span_s = self._total, elapsed_s - self._at_s
        for second in range(int(self._at_s), int(elapsed_s)):
            part = (second + 1 - self._at_s) / span_s
            self._reach(before + round(part * (total - before)), second)
        self._reach(total, int(elapsed_s))
        self._at_s = elapsed_s

    def _reach(self, total: int, second: int) -> None:
        self.by_second.extend([0] * (second + 1 - len(self.by_second)))
        self.by_second[second] += total - self._total
        self._total = total


class LiveView:
    """Shows a run in the terminal while it is entered, and leaves the terminal as it was."""

    def __init__(
        self, recorder: Recorder, *, planned: Sequence[int], total: int, console: Console
    ) -> None:
        self._recorder = recorder
        self._planned = planned
        self._total = total
        self._console = console
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._sent, self._done = RateCounter(), RateCounter()
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._over = Event()
        self._thread = Thread(target=self._run, name="live-view", daemon=True)
        self._handlers: list[logging.Handler] = []

    def __enter__(self) -> "LiveView":
        logger = logging.getLogger(LOGGER)
        self._handlers = logger.handlers[:]
        logger.handlers[:] = [_LineHandler(self._lines, self._handlers)]
        try:
            self._live.start()
            self._thread.start()
        except OSError:  # the terminal is gone; the run is not
            logger.handlers[:] = self._handlers
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread.ident is None:  # there never was a view
            return
        self._over.set()
        self._thread.join()
        try:
            with suppress(OSError):
                self._print_lines()
            with suppress(OSError):
                self._live.stop()
        finally:
            logging.getLogger(LOGGER).handlers[:] = self._handlers

    def look(self) -> Snapshot:
        """Return what the counters say now; cheap, and safe while the event loop goes on."""
        recorder = self._recorder
        # Before the first send there is no beginning yet.
        elapsed_s = max(0.0, now_s() - recorder.start_s) if recorder.start_s else 0.0
        ended = dict(recorder.ended)
        self._sent.look(recorder.sent, elapsed_s=elapsed_s)
        self._done.look(ended.get(Outcome.OK, 0), elapsed_s=elapsed_s)
        return Snapshot(
            elapsed_s=elapsed_s,
            planned=self._planned,
            total=self._total,
            sent=recorder.sent,
            in_flight=recorder.in_flight,
            ended=ended,
            sent_by_second=self._sent.by_second,
            done_by_second=self._done.by_second,
            latest_s=list(recorder.latest_s),
            lateness_s=list(recorder.lateness_s),
        )

    def _run(self) -> None:
        while not self._over.wait(FRAME_S):
            try:
                self._print_lines()
                self._live.update(self._draw(), refresh=True)
            except OSError:  # the terminal is gone; the run is not
                return

    def _draw(self) -> RenderableType:
        width, ascii_only = self._console.width, self._console.options.ascii_only
        return draw_frame(self.look(), width=width, ascii_only=ascii_only)

    def _print_lines(self) -> None:
        """Print what was logged meanwhile above the view."""
        while not self._lines.empty():
            line = self._lines.get()
            self._console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)


class _LineHandler(logging.Handler):
    """Hands log lines to the view's thread, so that no terminal delays the event loop."""

    def __init__(
        self, lines: "queue.SimpleQueue[str]", replaced: Sequence[logging.Handler]
    ) -> None:
        super().__init__()
        self._lines = lines
        if replaced:
            self.setFormatter(replaced[0].formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line for the next frame, unless the view itself tells it."""
        if record.levelno > logging.INFO or not record.name.startswith(ENGINE):
            self._lines.put(self.format(record))
