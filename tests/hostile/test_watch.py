"""The watch sees a loop that is blocked, and is not deceived by a machine that is busy."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import psutil

from tests.hostile.watch import watching

LONG_S = 0.15


@contextmanager
def serving(work: Callable[[], None]) -> Iterator[str]:
    """Serve, one request after the other, as an event loop does, and work before each answer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            work()
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def compute() -> None:
    started = time.thread_time()
    while time.thread_time() - started < LONG_S:
        pass


def blocked_s(work: Callable[[], None]) -> float:
    probed = threading.Semaphore(0)

    def work_and_tell() -> None:
        work()
        probed.release()

    with serving(work_and_tell) as url, watching(url, psutil.Process()) as watched:
        for _ in range(4):
            assert probed.acquire(timeout=10)
    return watched.blocked_s


def test_a_server_that_computes_before_it_answers_is_blocked() -> None:
    assert blocked_s(compute) >= LONG_S * 0.9


def test_a_server_that_waits_for_others_is_not_blocked() -> None:
    assert blocked_s(lambda: time.sleep(LONG_S)) < LONG_S * 0.5


def test_memory_that_grows_is_seen() -> None:
    gc.collect()  # what earlier tests left must not go just now, and hide what comes
    held: list[bytearray] = []
    with serving(lambda: None) as url, watching(url, psutil.Process()) as watched:
        for _ in range(5):
            held.append(bytearray(b"x") * 80_000_000)
            deadline = time.monotonic() + 2
            while watched.grown_bytes < 40_000_000 and time.monotonic() < deadline:
                time.sleep(0.01)
    assert watched.grown_bytes >= 40_000_000
