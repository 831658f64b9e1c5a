"""The closed loop from the command line, in this process but for the service."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from load_tester.cli.main import main
from load_tester.errors import ExitCode
from tests.load_tester.scripted_service import Fate, ScriptedService, serve


@contextmanager
def served(script: dict[int, Fate]) -> Iterator[ScriptedService]:
    """Run a scripted service on a thread of its own, for the command has this one."""
    started, stop = threading.Event(), threading.Event()
    services: list[ScriptedService] = []

    async def host() -> None:
        async with serve(lambda number: script.get(number, Fate())) as service:
            services.append(service)
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(host(),))
    thread.start()
    try:
        assert started.wait(20)
        yield services[0]
    finally:
        stop.set()
        thread.join()


def run(service: ScriptedService, photos: Path, *arguments: str) -> int:
    fixed = ["--url", service.url, "--images", str(photos), "--no-self-check"]
    return main([*fixed, *arguments])


def test_the_requests_are_sent_summed_up_and_said_to_be_a_closed_loop(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served({2: Fate(submit_status=500)}) as service:
        code = run(service, photos, "--count=5", "--concurrency=2")
    assert code == ExitCode.OK
    shown = capsys.readouterr().out
    assert "6 = 5 ok + 0 refused + 1 failed" in shown
    assert "Closed loop: a worker sends its next image when its last one has ended." in shown


def test_debugging_prints_every_step(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served({}) as service:
        assert run(service, photos, "--count=1", "--debug") == ExitCode.OK
    lines = [line for line in capsys.readouterr().err.splitlines() if " DEBUG " in line]
    assert len(lines) == 2
    assert "Request 1, attempt 1: sending " in lines[0]
    assert lines[0].endswith(f" to {service.url}")
    assert "ok; ticket job-0 after" in lines[1]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--count=0"], "--count must be from 1 to 1000000"),
        (["--count=2", "--concurrency=0"], "--concurrency must be from 1 to 10000"),
        (["--count=2", "--delay=-1"], "--delay must be 0 or more seconds"),
        (["--count=2", "--delay=nan"], "--delay must be 0 or more seconds"),
        (["--count=2", "--retries=-1"], "--retries must be from 0 to 100"),
        (["--count=2", "--timeout=0"], "--timeout must be greater than 0"),
        (["--count=2", "--passes=11"], "--passes must be from 1 to 10"),
        (["--count=2", "--debug", "--quiet"], "--debug and --quiet exclude each other"),
        (["--count=two"], "invalid int value"),
    ],
)
def test_a_bad_argument_is_one_clear_line(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--url=http://127.0.0.1:1"]) == ExitCode.CANNOT_RUN
    assert complaint in capsys.readouterr().err


def test_an_unreachable_service_is_one_clear_line(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--count=2", "--url=http://127.0.0.1:1", f"--images={photos}", "--no-self-check"]
    assert main(arguments) == ExitCode.CANNOT_RUN
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert complaint == (
        "load_tester: service unreachable at http://127.0.0.1:1: Connection refused"
    )
