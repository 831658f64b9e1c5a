"""Files whose names are meant to harm: they are names, wherever they are shown or sent."""

import csv
import json
import os
from pathlib import Path

import pytest

from load_tester.errors import ExitCode
from load_tester.record import Outcome
from load_tester.report.raw import RAW_FILE, read_raw
from tests.load_tester.cli.running_script import script
from tests.load_tester.cli.whole_run import run_whole
from tests.load_tester.mock_service.process import running_mock
from tests.load_tester.mock_service.script import Script
from tests.load_tester.scripted_service import SLOW, serve

NAMES = (
    "<script>alert(1)<&script>.jpg",
    "two\nlines\r\nX-Evil: 1.jpg",
    "\x1b[31mred\x1b[0m\x07.png",
    '"quoted", and; more\t.jpg',
    "=HYPERLINK(evil).jpg",
    "%0d%0aX-Evil%3A 1.jpg",
    "$(reboot) `reboot` ; reboot.jpg",
    "-rf.jpg",
    "{{ 7*7 }} {% raw %}.jpg",
    "ünïcödé 鳥 😀.jpg",
    "\N{RIGHT-TO-LEFT OVERRIDE}gpj.jpg",
    os.fsdecode(b"no utf-8 \xff\xfe.jpg"),
    "x" * 240 + ".jpg",
)


@pytest.fixture
def hostile_images(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    images.mkdir()
    for name in NAMES:
        (images / name).write_bytes(b"image")
    return images


async def test_hostile_names_do_no_harm_to_reports(hostile_images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with serve(lambda _: SLOW) as service:
        ended = await script(
            *("--url", service.url, "--images", hostile_images, "--schedule", str(len(NAMES))),
            *("--out", out, "--no-self-check"),
        )
    assert ended.code == ExitCode.OK, ended.err + ended.out
    assert len(service.submissions) == len(NAMES)
    assert "\x1b" not in ended.out + ended.err
    run = read_raw(out / RAW_FILE)
    assert len({record.file for record in run.records}) == len(NAMES)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["counts"]["ok"] == len(NAMES)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "49 {% raw %}" not in page
    with (out / "images.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == len(NAMES)
    # A spreadsheet would run what begins like a formula.
    assert not any(str(row["file"]).startswith("=") for row in rows)


@pytest.mark.parametrize("form", [(), ("--multipart",)], ids=["raw", "form"])
def test_hostile_names_do_no_harm_to_requests(hostile_images: Path, form: tuple[str, ...]) -> None:
    with running_mock(Script(service_s=0)) as mock:
        run = run_whole(
            *("--url", mock.url, "--images", hostile_images, "--schedule", str(len(NAMES))),
            *("--no-self-check", *form),
        )
        jobs = mock.tell().jobs
    assert {record.outcome for record in run.records} == {Outcome.OK}
    assert len(jobs) == len(NAMES)
    if not form:
        assert {job.file for job in jobs} == {record.file for record in run.records}
        assert {job.size_bytes for job in jobs} == {len(b"image")}
