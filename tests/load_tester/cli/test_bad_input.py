"""What cannot run is told in one line, with the exit code that says so, in every mode."""

import argparse
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from load_tester.cli.command import Command
from load_tester.cli.main import main
from load_tester.errors import ExitCode
from tests.load_tester.cli.running_script import script

MODES = [
    pytest.param("--schedule 2", id="replay"),
    pytest.param("--count 2", id="closed"),
    pytest.param("--counts 1,2", id="benchmark"),
    pytest.param("--threads 1,2", id="threads"),
    pytest.param("capacity --slo p95<1s", id="capacity"),
]


@pytest.fixture
def nobody() -> Iterator[str]:
    """A URL at which nobody listens, and at which nobody else can while the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def complaints(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capfd.readouterr().err.splitlines() if " - INFO - " not in line]


@pytest.mark.parametrize("mode", MODES)
def test_a_service_that_is_not_there_is_told_in_one_line(
    photos: Path, capfd: pytest.CaptureFixture[str], nobody: str, mode: str
) -> None:
    arguments = [*mode.split(), "--url", nobody, "--images", str(photos)]
    assert main(arguments) == ExitCode.CANNOT_RUN
    (told,) = complaints(capfd)
    assert told.startswith(f"load_tester: service unreachable at {nobody}: ")


async def test_the_script_itself_ends_with_1_when_nobody_answers(photos: Path, nobody: str) -> None:
    ended = await script("--url", nobody, "--images", photos)
    assert ended.code == ExitCode.CANNOT_RUN
    assert ended.out == ""
    (told,) = ended.complaints()
    assert told.startswith(f"load_tester: service unreachable at {nobody}: ")


@pytest.mark.parametrize("mode", MODES)
def test_a_folder_without_pictures_is_told_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], nobody: str, mode: str
) -> None:
    (tmp_path / "notes.txt").write_text("not a picture")
    arguments = [*mode.split(), "--url", nobody, "--images", str(tmp_path)]
    assert main(arguments) == ExitCode.CANNOT_RUN
    assert complaints(capfd) == [f"load_tester: no images found in {tmp_path}"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--schedule 4,x", "4,x"),
        ("--schedule 4,-1", "-1"),
        ("--schedule=-1", "-1"),
        ("--schedule 4,1.5", "1.5"),
        ("--schedule 0,0", "sends no image"),
        ("--schedule nan", "nan"),
        ("--schedule 4,99999999999999999999", "too large"),
        ("--schedule /nowhere/list.csv", "/nowhere/list.csv"),
        ("--curve zigzag --duration 5", "zigzag"),
        ("--curve =users*t/duration", "--duration"),
        ("--curve =9**9**9 --duration 5", "expression"),
        ("--curve =().__class__ --duration 5", "expression"),
        ("--curve =t+ --duration 5", "t+"),
        ("--curve /nowhere/curve.py:rate --duration 5", "/nowhere/curve.py"),
        ("--curve ramp --duration nan", "--duration"),
        ("--curve ramp --duration=-5", "--duration"),
        ("--curve ramp --users 0", "--users"),
        ("--curve ramp --spawn-rate x", "--spawn-rate"),
        ("--users 5", "--users"),
        ("--curve ramp --schedule 1", "--schedule"),
        ("--trace twitter:/nowhere/trace.csv", "/nowhere/trace.csv"),
        ("--trace mars:/nowhere/trace.csv", "mars"),
        ("--scale-rate 0 --schedule 1", "--scale-rate"),
        ("--repeat 0 --schedule 1", "--repeat"),
        ("--max-workers=-1", "--max-workers"),
        ("--timeout nan", "--timeout"),
        ("--slo p95", "p95"),
        ("--slo p95<fast", "p95<fast"),
        ("--url ftp://127.0.0.1", "ftp://127.0.0.1"),
        ("--url http://user:secret@127.0.0.1", "user name or password"),
        ("--no-such-flag", "--no-such-flag"),
        ("--count 0", "--count"),
        ("--count 2 --concurrency 0", "--concurrency"),
        ("--count 2 --delay=-1", "--delay"),
        ("--counts 1,x", "--counts"),
        ("--counts 0", "--counts"),
        ("--threads 1,x", "--threads"),
        ("--threads 0", "--threads"),
        ("--schedule 1 --arrivals poisson --seed=-1", "--seed"),
        ("--schedule 1 --seed 99999999999999999999", "--seed"),
        ("--count 1 --seed=-1", "--seed"),
        ("--counts 1 --seed=-1", "--seed"),
        ("capacity --slo p95<1s --seed=-1", "--seed"),
        ("compare /nowhere/a /nowhere/b --seed=-1", "--seed"),
        ("capacity", "--slo"),
        ("compare /nowhere/a /nowhere/b", "/nowhere/a"),
        ("report /nowhere/a", "/nowhere/a"),
    ],
)
def test_arguments_that_cannot_be_meant_are_told_in_one_line(
    capfd: pytest.CaptureFixture[str], photos: Path, arguments: str, message: str
) -> None:
    needs_images = not arguments.startswith(("compare", "report"))
    images = ["--images", str(photos)] if needs_images else []
    assert main([*arguments.split(), *images]) == ExitCode.CANNOT_RUN
    (told,) = complaints(capfd)
    assert told.startswith("load_tester: ")
    assert message in told
    assert "secret" not in told


@pytest.mark.parametrize("mode", MODES)
def test_a_report_that_could_not_be_written_is_told_before_the_first_image(
    photos: Path, capfd: pytest.CaptureFixture[str], nobody: str, mode: str
) -> None:
    occupied = photos / "tank.png" / "below"
    flag = "--output" if "--counts" in mode or "--threads" in mode else "--out"
    arguments = [*mode.split(), "--url", nobody, "--images", str(photos), flag, str(occupied)]
    assert main(arguments) == ExitCode.CANNOT_RUN
    (told,) = complaints(capfd)
    assert "cannot write" in told
    assert str(photos / "tank.png") in told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FileNotFoundError(2, "No such file or directory", "gone.jpg"), "gone.jpg: No such file"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (FileNotFoundError(2, "No such file", "\x1b[2Jgone.jpg"), "\\x1b[2Jgone.jpg: No such file"),
    ],
)
def test_a_file_that_vanishes_in_the_middle_of_a_run_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: OSError, told: str
) -> None:
    def run(given: argparse.Namespace) -> ExitCode:
        raise error

    command = Command("Breaks.", lambda parser: None, run)
    monkeypatch.setattr("load_tester.cli.main.load_command", lambda name: command)
    assert main([]) == ExitCode.CANNOT_RUN
    (line,) = complaints(capfd)
    assert line.startswith(f"load_tester: {told}")
