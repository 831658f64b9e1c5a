import json
from dataclasses import replace
from pathlib import Path

import pytest

from load_tester.errors import OutputError, RawFileError
from load_tester.record import Outcome
from load_tester.report.raw import read_raw, write_raw
from tests.load_tester.records import make_record
from tests.load_tester.report.sample_run import make_run


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "raw.jsonl"
    write_raw(make_run(), path)
    return path


def test_what_was_written_is_read_again(raw: Path) -> None:
    assert read_raw(raw) == make_run()


def test_images_are_in_the_order_of_the_plan_however_they_ended(tmp_path: Path) -> None:
    records = (
        make_record(1, Outcome.NOT_SENT),
        make_record(0, attempt=2),
        make_record(0, Outcome.FAILED),
    )
    write_raw(make_run(records=records), tmp_path / "raw.jsonl")
    read = read_raw(tmp_path / "raw.jsonl").records
    assert [(record.index, record.attempt) for record in read] == [(0, 1), (0, 2), (1, 1)]


def test_every_line_is_json_and_says_what_it_is(raw: Path) -> None:
    lines = [json.loads(line) for line in raw.read_text().splitlines()]
    kinds = [next(iter(line)) for line in lines]
    assert kinds == ["run"] + ["image"] * 200 + ["generator"] * 40 + ["service"] * 20
    assert lines[0]["run"]["lines"] == 260


def test_a_file_without_its_end_is_read_up_to_its_last_whole_line_and_says_so(raw: Path) -> None:
    whole = raw.read_bytes()
    begin = whole.index(b'{"image":{"index":100,')
    raw.write_bytes(whole[: begin + 30])
    run = read_raw(raw)
    assert len(run.records) == 100
    assert run.interrupted
    assert run.environment["raw file"] == "its end is missing: 100 of 260 lines were read"


def test_a_damaged_line_is_named(raw: Path) -> None:
    lines = raw.read_bytes().splitlines(keepends=True)
    lines[5] = b'{"image":{"index":"five"}}\n'
    raw.write_bytes(b"".join(lines))
    with pytest.raises(RawFileError, match="is damaged in line 6: "):
        read_raw(raw)


@pytest.mark.parametrize("line", [b"{}\n", b'{"picture":{}}\n', b"\xff\xfe\n", b"\n"])
def test_a_line_that_is_nothing_known_is_refused(raw: Path, line: bytes) -> None:
    lines = raw.read_bytes().splitlines(keepends=True)
    raw.write_bytes(b"".join([lines[0], line, *lines[2:]]))
    with pytest.raises(RawFileError, match="is damaged in line 2"):
        read_raw(raw)


def test_more_lines_than_the_first_says_are_refused(raw: Path) -> None:
    lines = raw.read_bytes().splitlines(keepends=True)
    raw.write_bytes(b"".join([*lines, lines[1]]))
    with pytest.raises(RawFileError, match="has 261 lines after its first, which says 260"):
        read_raw(raw)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"[]\n", b'{"run":{}}\n', b"\x89PNG\r\n"])
def test_a_file_that_is_none_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "raw.jsonl"
    path.write_bytes(content)
    with pytest.raises(RawFileError, match=r"is not a raw file of the load tester$"):
        read_raw(path)


def test_another_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    path.write_text('{"run":{"version":9}}\n')
    with pytest.raises(RawFileError, match="is of version 9; this load tester reads 2 only"):
        read_raw(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RawFileError, match="No such file"):
        read_raw(tmp_path / "raw.jsonl")
    with pytest.raises(RawFileError, match="Is a directory"):
        read_raw(tmp_path)


def test_half_a_character_from_a_service_does_not_cost_the_report(tmp_path: Path) -> None:
    half = "goldfinch \ud83d"
    records = (make_record(0, top_label=half), make_record(1, steps_s={half: 0.5}))
    write_raw(make_run(records=records), tmp_path / "raw.jsonl")
    first, second = read_raw(tmp_path / "raw.jsonl").records
    assert first.top_label == "goldfinch \\ud83d"
    assert second.steps_s == {"goldfinch \\ud83d": 0.5}


def test_a_full_disk_leaves_the_old_file(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = raw.read_bytes()

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        write_raw(replace(make_run(), uploads=1), raw)
    assert raw.read_bytes() == old
    assert [path.name for path in raw.parent.iterdir()] == ["raw.jsonl"]
