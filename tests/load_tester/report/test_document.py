import json
from pathlib import Path

import pytest

from load_tester.errors import OutputError
from load_tester.record import Outcome
from load_tester.report import Run, count_seconds, prepare_folder, write_report
from load_tester.settings import LoadSettings
from load_tester.summary import summarize
from tests.load_tester.records import make_record


def make_run() -> Run:
    records = (make_record(1, Outcome.NOT_SENT), make_record(0))
    summary = summarize(records, scheduled=2, sent=1, labels={}, interrupted=True)
    return Run(
        settings=LoadSettings(schedule=(1, 1), images=Path("photos")),
        started_at="2025-06-25T11:22:41.523565",
        image_files=3,
        records=records,
        summary=summary,
    )


def test_the_report_holds_the_run_the_counts_and_the_seconds(tmp_path: Path) -> None:
    write_report(make_run(), folder=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["counts"]["scheduled"] == 2
    assert report["counts"]["not_sent"] == 1
    assert report["interrupted"] is True
    assert report["discrepancies"] == []
    assert report["latency"]["end_to_end"]["max_s"] == 1.25
    assert report["latency"]["end_to_end"]["p99_s"] is None
    assert report["run"]["schedule"] == [1, 1]
    assert report["run"]["started_at"] == "2025-06-25T11:22:41.523565"
    assert report["seconds"] == [
        {"second": 1, "target": 1, "sent": 1, "completed": 0},
        {"second": 2, "target": 1, "sent": 0, "completed": 1},
    ]


def test_the_raw_file_has_the_run_and_then_every_image_in_order(tmp_path: Path) -> None:
    write_report(make_run(), folder=tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "raw.jsonl").read_text().splitlines()]
    assert [row["kind"] for row in rows] == ["run", "image", "image"]
    assert [row["index"] for row in rows[1:]] == [0, 1]
    assert rows[2]["outcome"] == "not_sent"
    assert rows[1]["seen_s"] == 1.25


def test_nothing_but_the_two_files_is_left(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    write_report(make_run(), folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw.jsonl", "report.json"]


def test_a_report_that_cannot_be_finished_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.json").write_text("old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        write_report(make_run(), folder=tmp_path)
    assert (tmp_path / "report.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_folder_that_cannot_be_made_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot write to the folder"):
        prepare_folder(tmp_path / "file" / "out")


def test_the_seconds_reach_to_the_last_result_and_no_further() -> None:
    assert len(count_seconds([1], [make_record(0, seen_s=4.5)])) == 5
    assert len(count_seconds([1, 0, 0], [])) == 3
