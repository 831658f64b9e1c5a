"""Watches a dispatcher while something hostile is sent to it: its memory and its event loop."""

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil

_PAUSE_S = 0.02


@dataclass
class Watched:
    """The worst that was seen."""

    grown_bytes: int = 0
    """Of the resident memory."""
    waits_s: list[float] = field(default_factory=list)
    """For each probe: as long as it waited, and no longer than the process computed.

    On a busy machine a probe also waits for a processor; that is no fault of the loop's.
    """

    @property
    def blocked_s(self) -> float:
        """For how long the event loop was blocked, twice at least.

        Everything hostile is sent more than once: what happens once is the machine's doing.
        """
        return sorted(self.waits_s)[-2] if len(self.waits_s) > 1 else 0.0


@contextmanager
def watching(url: str, process: psutil.Process) -> Iterator[Watched]:
    """Probe a dispatcher every 20 ms until the end of the block."""
    watched, is_over = Watched(), threading.Event()
    before = process.memory_info().rss
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)

    def probe() -> None:
        started, computed_s = time.monotonic(), _computed_s(process)
        connection.request("GET", "/livez")
        connection.getresponse().read()
        waited_s = time.monotonic() - started
        blocked_s = min(waited_s, _computed_s(process) - computed_s)
        watched.waits_s.append(blocked_s)
        watched.grown_bytes = max(watched.grown_bytes, process.memory_info().rss - before)

    def run() -> None:
        while not is_over.wait(_PAUSE_S):
            probe()

    probe()
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield watched
    finally:
        is_over.set()
        thread.join()
        with contextlib.suppress(OSError):
            connection.close()


def _computed_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
