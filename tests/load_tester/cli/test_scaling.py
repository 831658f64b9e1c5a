"""Thread scaling as its user starts it, against a service whose times follow a known law."""

import asyncio
import json
import signal
from hashlib import sha256
from pathlib import Path

import pytest

from load_tester.cli.main import main
from load_tester.errors import ExitCode
from tests.load_tester.cli.running_script import end_of, script, started
from tests.load_tester.grayscale_service import SERIAL, kernel_s, serve_grayscale


def pictures_in(folder: Path) -> list[Path]:
    return list(folder.glob("scaling*"))


async def test_the_law_behind_the_times_is_found_and_drawn(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "scaling.png"
    async with serve_grayscale() as service:
        ended = await script(
            *("--url", service.url, "--threads", "2,4,8", "--repeats", "3", "--passes", "2"),
            *("--server-cores", "8", "--output", output, photos),
        )
        # A first round that is not counted, and no answer from a cache.
        assert len(service.asked) == 4 * 4
        assert {fields["cache"] for fields in service.fields} == {"false"}
        # The largest of the folder's files.
        assert {fields["files"] for fields in service.fields} == {"goldfinch.JPEG"}
    assert ended.code == ExitCode.OK, ended.err
    assert output.read_bytes().startswith(b"\x89PNG")
    told = json.loads(output.with_suffix(".json").read_text())
    assert told["asked"]["threads"] == [1, 2, 4, 8]
    assert told["interrupted"] is False
    assert len(told["conversions"]) == 12
    assert [point["kernel"]["median_s"] for point in told["points"]] == pytest.approx(
        [kernel_s(threads, passes=2) for threads in (1, 2, 4, 8)]
    )
    assert told["amdahl"]["contention"] == pytest.approx(SERIAL, abs=1e-6)
    assert told["amdahl"]["most_speed_up"] == pytest.approx(1 / SERIAL)
    assert told["usl"]["contention"] == pytest.approx(SERIAL, abs=1e-3)
    assert "Amdahl: serial fraction 20.0%, speed-up at most 5.00" in ended.out
    assert "Round 3 of 3" in ended.err


async def test_a_pipeline_is_asked_by_its_params(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "scaling.png"
    async with serve_grayscale() as service:
        ended = await script(
            *("--url", service.url, "--threads", "1,2", "--repeats", "1", "--pipeline", "grey"),
            *("--output", output, "--images", photos / "drum.jpg"),
        )
        assert {query["pipeline"] for query in service.queries} == {"grey"}
        assert {query["cache"] for query in service.queries} == {"false"}
    assert ended.code == ExitCode.OK, ended.err
    assert "no fit of Amdahl's law" in ended.out


async def test_an_interrupted_run_keeps_what_was_measured(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "scaling.png"
    # The first round is not counted, the third counted job never ends.
    async with (
        serve_grayscale(never_from=4, awaited=5) as service,
        started(*("--url", service.url, "--threads", "1,2", "--output", output, photos)) as process,
    ):
        await asyncio.wait_for(service.arrived.wait(), 20)
        process.send_signal(signal.SIGINT)
        ended = await end_of(process)
    assert ended.code == ExitCode.INTERRUPTED
    told = json.loads(output.with_suffix(".json").read_text())
    assert told["interrupted"] is True
    assert [conversion["threads"] for conversion in told["conversions"]] == [1, 2]
    assert "4 of 6 gave no time" in ended.out
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("service_changes", "message"),
    [
        ({"status": 503}, "no time of grayscale with one thread: http_503"),
        ({"from_cache": True}, "the service told no timings"),
    ],
)
async def test_a_service_without_times_is_told_in_one_line(
    photos: Path, tmp_path: Path, service_changes: dict[str, object], message: str
) -> None:
    output = tmp_path / "scaling.png"
    async with serve_grayscale(**service_changes) as service:
        url = service.url
        ended = await script("--url", url, "--threads", "1", "--output", output, photos)
    assert ended.code == ExitCode.CANNOT_RUN
    assert len(ended.complaints()) == 1
    assert message in ended.complaints()[0]
    assert pictures_in(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--threads two", "--threads takes whole numbers"),
        ("--threads 64", "--threads must be from 1 to 32"),
        ("--threads 1 --passes 11", "--passes must be from 1 to 10"),
        ("--threads 1 --passes 0", "--passes must be from 1 to 10"),
        ("--threads 1 --check colours", "not a check"),
        ("--threads 1 --repeats 0", "--repeats must be from 1"),
        ("--threads 1 --server-cores 0", "--server-cores must be from 1"),
        ("--threads 1 --timeout 0", "--timeout must be greater than 0"),
        ("--threads 1 --url http://h --url http://g", "against one --url"),
        ("--threads 1 --target replica", "to a dispatcher only"),
        ("--threads 1 --output /dev/null/a.png", "cannot write to the folder"),
        ("--threads 1 --images /nowhere", "no such"),
    ],
)
def test_what_cannot_run_is_told_in_one_line(
    photos: Path, capfd: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    given = arguments.split()
    images = [] if "--images" in given else ["--images", str(photos)]
    assert main([*given, *images]) == ExitCode.CANNOT_RUN
    out, err = capfd.readouterr()
    told = [line for line in err.splitlines() if "INFO" not in line]
    assert out == ""
    assert len(told) == 1, told
    assert message in told[0]


async def test_the_answers_are_kept_to_be_checked_against(photos: Path, tmp_path: Path) -> None:
    golden = tmp_path / "golden.json"
    async with serve_grayscale(picture=b"grey") as service:
        ended = await script(
            *("--url", service.url, "--threads", "1", "--output", tmp_path / "scaling.png"),
            *("--write-golden", golden, photos),
        )
    assert ended.code == ExitCode.OK, ended.err
    kept = {"goldfinch.JPEG": {"sha256": sha256(b"grey").hexdigest()}}
    assert json.loads(golden.read_text()) == kept


async def test_answers_that_fail_a_check_give_no_times_and_end_in_their_exit_code(
    photos: Path, tmp_path: Path
) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"required": ["label"]}')
    async with serve_grayscale() as service:
        ended = await script(
            *("--url", service.url, "--threads", "1", "--output", tmp_path / "scaling.png"),
            *("--check", f"schema:{schema}", photos),
        )
    assert ended.code == ExitCode.WRONG_ANSWERS, ended.err
    assert ended.complaints() == [
        "load_tester: no time of grayscale with one thread: schema_broken:."
    ]
    assert pictures_in(tmp_path) == []


async def test_an_interruption_before_the_first_time_is_told_in_one_line(
    photos: Path, tmp_path: Path
) -> None:
    output = tmp_path / "scaling.png"
    async with (
        serve_grayscale(never_from=0) as service,
        started(*("--url", service.url, "--threads", "1", "--output", output, photos)) as process,
    ):
        await asyncio.wait_for(service.arrived.wait(), 20)
        process.send_signal(signal.SIGINT)
        ended = await end_of(process)
    assert ended.code == ExitCode.INTERRUPTED
    (told,) = ended.complaints()
    assert told == "load_tester: interrupted before there was a time of grayscale with one thread"


async def test_a_plot_that_cannot_be_written_loses_no_figure(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "scaling.png"
    async with (
        serve_grayscale() as service,
        started(*("--url", service.url, "--threads", "1,2", "--output", output, photos)) as process,
    ):
        await asyncio.wait_for(service.arrived.wait(), 20)
        output.mkdir()
        ended = await end_of(process)
    assert ended.code == ExitCode.CANNOT_RUN
    (told,) = ended.complaints()
    assert f"cannot write {output}" in told
    assert len(json.loads(output.with_suffix(".json").read_text())["conversions"]) == 6
    assert "Thread scaling of grayscale" in ended.out


def test_a_file_that_is_no_image_is_told_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    notes = tmp_path / "notes.txt"
    notes.touch()
    assert main(["--threads", "1", str(notes)]) == ExitCode.CANNOT_RUN
    assert capfd.readouterr().err == f"load_tester: not an image file by its name: {notes}\n"
