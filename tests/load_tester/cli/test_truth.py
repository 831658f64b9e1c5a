"""What a whole run reports is what was true, as the mock service knows it."""

import json
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from load_tester.cli.main import main
from load_tester.errors import ExitCode
from load_tester.record import Outcome
from load_tester.report.raw import RAW_FILE, read_raw
from tests.load_tester.cli.whole_run import run_whole
from tests.load_tester.mock_service.pairs import count_reported, find_origin_s, pair_up
from tests.load_tester.mock_service.process import running_mock, write_images
from tests.load_tester.mock_service.script import Script
from tests.load_tester.mock_service.truth import Fault, Truth

FAULTY = Script(
    service_s=0.02, spread=0.5, errors=0.05, wrong_labels=0.04, lost=0.03, twice=0.03, seed=5
)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twenty files of 20 KB with their labels."""
    folder = tmp_path / "images"
    write_images(folder, count=20, size_bytes=20_000)
    return folder


def test_every_injected_fault_is_counted_once_and_reported(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with running_mock(FAULTY) as mock:
        code = main(
            [
                *("--url", mock.url, "--images", str(images), "--schedule", "400"),
                *("--check", "labels", "--out", str(out), "--no-self-check"),
            ]
        )
        truth = mock.tell()
    made = truth.faults()
    assert all(made[fault] >= 4 for fault in Fault), made
    run = read_raw(out / RAW_FILE)
    assert count_reported(run.records) == made
    assert run.uploads == len(truth.jobs) == len(run.records) == 400
    assert code == ExitCode.WRONG_ANSWERS
    counts = json.loads((out / "report.json").read_text(encoding="utf-8"))["counts"]
    assert counts["scheduled"] == counts["sent"] + counts["not_sent"] == 400
    assert counts["ok"] == made[Fault.NONE]
    assert counts["failed"] == made[Fault.ERROR] + made[Fault.LOST]
    assert counts["wrong"] == made[Fault.WRONG_LABEL] + made[Fault.TWICE]


def test_faults_are_counted_as_exactly_where_looks_are_not_held(images: Path) -> None:
    with running_mock(replace(FAULTY, hold=False)) as mock:
        run = run_whole(
            *("--url", mock.url, "--images", images, "--schedule", "400"),
            *("--check", "labels", "--no-self-check"),
        )
        truth = mock.tell()
    assert count_reported(run.records) == truth.faults()
    pairs = pair_up(run, truth)
    origin_s = find_origin_s(pairs)
    for pair in pairs:
        assert pair.told.polls == pair.true.looks
        assert pair.told.seen_s is not None
        assert pair.true.done_s is not None
        assert pair.told.seen_s >= pair.true.done_s - origin_s


def test_bodies_arrive_as_they_are_on_the_disk(tmp_path: Path) -> None:
    images = tmp_path / "images"
    write_images(images, count=3, size_bytes=1_500_000)
    checksums = {path.name: zlib.crc32(path.read_bytes()) for path in images.glob("*.jpg")}
    with running_mock(Script(service_s=0, check_bodies=True)) as mock:
        run_whole("--url", mock.url, "--images", images, "--schedule", "9", "--no-self-check")
        jobs = mock.tell().jobs
    assert len(jobs) == 9
    assert {job.size_bytes for job in jobs} == {1_500_000}
    assert all(job.crc32 == checksums[job.file] for job in jobs)


def test_a_service_that_stops_dead_is_told_as_its_users_feel_it(images: Path) -> None:
    with running_mock(Script(service_s=0.01, freeze_after_s=0.7, freeze_s=0.5)) as mock:
        run = run_whole(
            *("--url", mock.url, "--images", images, "--schedule", "50,50"),
            # With so few, most of the sends wait for the service, too.
            *("--no-self-check", "--max-workers", "2"),
        )
        truth = mock.tell()
    assert {record.outcome for record in run.records} == {Outcome.OK}
    frozen_s, thawed_s = standstill(truth, origin_s=find_origin_s(pair_up(run, truth)))
    caught = [record for record in run.records if frozen_s < record.sched_s < thawed_s]
    assert len(caught) >= 24
    for record in caught:
        assert record.end_to_end_s is not None
        assert record.end_to_end_s >= thawed_s - record.sched_s
    # Counted from the send, some would look as if they had not waited.
    assert any(
        record.from_send_s is not None and record.from_send_s < thawed_s - record.sched_s
        for record in caught
    )


def standstill(truth: Truth, *, origin_s: float) -> tuple[float, float]:
    """When the service stood still, in seconds since the run began."""
    assert truth.frozen_s is not None
    assert truth.thawed_s is not None
    return truth.frozen_s - origin_s, truth.thawed_s - origin_s
