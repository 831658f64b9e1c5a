import json
from pathlib import Path

import numpy as np
import pytest

from load_tester.cli.main import main
from load_tester.errors import ExitCode
from load_tester.report.raw import RAW_FILE, write_raw
from tests.load_tester.figures.synthetic import draw_latencies, run_of


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Two runs, the second of them slower by a half."""
    folders = tmp_path / "first", tmp_path / "second"
    for seed, folder in enumerate(folders):
        folder.mkdir()
        latencies = draw_latencies(np.random.default_rng(seed), 1000, sigma=0.3)
        write_raw(run_of((1 + seed / 2) * latencies), folder / RAW_FILE)
    return folders


def test_folders_and_raw_files_are_compared_alike(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = map(str, runs)
    assert main(["compare", first, second]) == ExitCode.OK
    by_folder = capsys.readouterr().out
    assert main(["compare", f"{first}/{RAW_FILE}", f"{second}/{RAW_FILE}"]) == ExitCode.OK
    assert capsys.readouterr().out == by_folder
    assert "slower" in by_folder
    assert "The second run is slower" in by_folder


def test_a_slower_second_run_fails_only_where_that_is_asked_for(runs: tuple[Path, Path]) -> None:
    first, second = map(str, runs)
    assert main(["compare", first, second, "--fail-if-slower"]) == ExitCode.OBJECTIVE_MISSED
    assert main(["compare", second, first, "--fail-if-slower"]) == ExitCode.OK
    assert main(["compare", first, first, "--fail-if-slower"]) == ExitCode.OK


def test_the_comparison_is_written_as_json(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "comparison.json"
    assert main(["compare", *map(str, runs), "--out", str(out)]) == ExitCode.OK
    told = json.loads(out.read_bytes())
    assert told["finding"] == "worse"
    assert {row["name"] for row in told["rows"]} >= {"p50", "p95", "goodput", "error"}


def test_what_is_no_run_is_refused_in_one_line(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for other in (tmp_path / "nothing", tmp_path):
        assert main(["compare", str(runs[0]), str(other)]) == ExitCode.CANNOT_RUN
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("load_tester: ")


def test_a_comparison_that_cannot_be_written_says_so(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "no folder" / "comparison.json"
    assert main(["compare", *map(str, runs), "--out", str(out)]) == ExitCode.CANNOT_RUN
    assert "cannot write" in capsys.readouterr().err
