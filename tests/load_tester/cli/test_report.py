import json
from pathlib import Path

import pytest

from load_tester.cli.main import main
from load_tester.errors import ExitCode
from load_tester.report.raw import write_raw
from tests.load_tester.report.sample_run import make_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    write_raw(make_run(), folder / "raw.jsonl")
    return folder


def test_a_report_with_a_comparison_and_thread_scaling_is_made_elsewhere(
    folder: Path, tmp_path: Path
) -> None:
    scaling = tmp_path / "scaling.json"
    scaling.write_text(
        json.dumps(
            {
                "kind": "thread scaling",
                "asked": {"server_cores": None},
                "conversions": [{"threads": 1, "kernel_s": 0.1, "total_s": 0.2}],
            }
        )
    )
    raw, out = str(folder / "raw.jsonl"), tmp_path / "out"
    given = ["report", str(folder), "--out", str(out), "--against", raw, "--scaling", str(scaling)]
    assert main(given) == ExitCode.OK
    report = json.loads((out / "report.json").read_text())
    assert report["comparison"]["finding"] == "no difference shown"
    assert report["scaling"]["points"][0]["kernel"]["median_s"] == 0.1
    assert (out / "charts" / "speed-up.png").is_file()
    assert [path.name for path in folder.iterdir()] == ["raw.jsonl"]


@pytest.mark.parametrize("other", ["--against", "--scaling"])
def test_another_file_that_cannot_be_read_is_named_in_one_line(
    folder: Path, tmp_path: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "missing.json")
    assert main(["report", str(folder), other, missing]) == ExitCode.CANNOT_RUN
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert missing in told[0]


def test_a_folder_without_a_raw_file_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) == ExitCode.CANNOT_RUN
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"load_tester: cannot read the raw file {tmp_path / 'raw.jsonl'}: No such file or directory"
    ]
