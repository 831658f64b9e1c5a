"""Runs of the load tester against the mock service, each on a core of its own."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.service import PROJECT
from load_tester.report.raw import RAW_FILE, read_raw
from load_tester.run import Run
from tests.load_tester.mock_service.process import Mock, running_mock, write_images
from tests.load_tester.mock_service.script import Script

SCRIPT: Final = PROJECT / "load_tester" / "load_tester.py"
BODY_BYTES: Final = 100_000
_IMAGES: Final = 50
_LONGEST_S: Final = 300.0
_CORES: Final = sorted(os.sched_getaffinity(0))
GENERATOR_CORE: Final = _CORES[0]
MOCK_CORE: Final = _CORES[-1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """One run that has ended."""

    code: int
    run: Run
    out: str
    cpu_s: float
    """Processor time of the whole process, its start included."""
    peak_rss_bytes: int


@contextmanager
def pinned_mock(script: Script) -> Iterator[Mock]:
    """Run a mock service on the other core than the load tester's."""
    with running_mock(script, cores={MOCK_CORE}) as mock:
        yield mock


def run_load_tester(
    mock: Mock,
    data_dir: Path,
    *flags: str,
    meanwhile: Callable[[int], None] | None = None,
) -> Finished:
    """Run the load tester with these flags and return what it wrote.

    Images of 100,000 bytes are sent. `meanwhile` is called with the process's id as soon as it
    has started. Raises SystemExit when it wrote nothing.
    """
    images = data_dir / "images"
    if not images.exists():
        write_images(images, count=_IMAGES, size_bytes=BODY_BYTES)
    with (
        tempfile.TemporaryDirectory(dir=data_dir) as out,
        tempfile.TemporaryFile("w+") as stdout,
        tempfile.TemporaryFile("w+") as stderr,
    ):
        process = subprocess.Popen(
            [
                sys.executable, str(SCRIPT),
                "--url", mock.url, "--images", str(images), "--out", out, *flags,
            ],
            stdout=stdout, stderr=stderr,
        )  # fmt: skip
        os.sched_setaffinity(process.pid, {GENERATOR_CORE})
        killer = threading.Timer(_LONGEST_S, process.kill)
        killer.start()
        try:
            if meanwhile is not None:
                meanwhile(process.pid)
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            killer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        raw = Path(out) / RAW_FILE
        if not raw.exists():
            stderr.seek(0)
            raise SystemExit(f"the load tester wrote nothing: {stderr.read()[-2000:]}")
        stdout.seek(0)
        return Finished(
            code=process.returncode,
            run=read_raw(raw),
            out=stdout.read(),
            cpu_s=used.ru_utime + used.ru_stime,
            peak_rss_bytes=used.ru_maxrss * 1024,
        )


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile by the nearest-rank method."""
    return float(np.percentile(values, percent, method="inverted_cdf"))
