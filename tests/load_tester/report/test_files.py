import json
from pathlib import Path

import pytest

from load_tester.errors import OutputError
from load_tester.report.files import write_derived, write_reports
from load_tester.report.raw import read_raw
from load_tester.report.whole import prepare_folder
from tests.load_tester.report.sample_run import make_run


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose images ended in another order than they were planned."""
    folder = tmp_path_factory.mktemp("written")
    write_reports(make_run(records=tuple(reversed(make_run().records))), folder)
    return folder


def list_files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_run_leaves_the_raw_file_figures_tables_the_page_and_pictures(written: Path) -> None:
    files = list_files(written)
    pictures = {name for name in files if name.startswith("charts/")}
    assert {name for name in files if name not in pictures} == {
        "raw.jsonl",
        "report.json",
        "report.html",
        "seconds.csv",
        "images.csv",
    }
    assert {"charts/rates.png", "charts/latency.png", "charts/parts.png"} <= pictures
    assert all(files[name].startswith(b"\x89PNG") for name in pictures)


def test_everything_can_be_made_again_from_the_raw_file_byte_for_byte(
    written: Path, tmp_path: Path
) -> None:
    write_derived(read_raw(written / "raw.jsonl"), tmp_path)
    before, after = list_files(written), list_files(tmp_path)
    del before["raw.jsonl"]
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []


def test_the_page_is_made_from_the_same_figures_as_the_json(written: Path) -> None:
    page = (written / "report.html").read_text()
    begin = page.index('id="report">') + len('id="report">')
    embedded = json.loads(page[begin : page.index("</script>", begin)])
    assert embedded == json.loads((written / "report.json").read_text())


def test_a_report_that_cannot_be_finished_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.json").write_text("old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        write_derived(make_run(), tmp_path)
    assert list_files(tmp_path) == {"report.json": b"old"}


def test_a_folder_that_cannot_be_made_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot write to the folder"):
        prepare_folder(tmp_path / "file" / "out")


def test_a_folder_that_was_made_ready_is_empty(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "out")
    assert list_files(tmp_path / "out") == {}
