"""The benchmark as its user starts it, and how many images at once it allows."""

import argparse
import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from load_tester.cli.benchmark import Reached, choose_gravest, wait_until_calm
from load_tester.cli.benchmark_arguments import (
    BenchmarkSettings,
    add_arguments,
    choose_concurrency,
    read_settings,
    warn_of_caps,
)
from load_tester.cli.main import main
from load_tester.errors import ExitCode, UsageError
from load_tester.generator.bystander import open_bystander
from load_tester.settings import TargetSettings
from tests.load_tester.cli.running_script import end_of, script, started
from tests.load_tester.grayscale_service import GrayscaleService, serve_grayscale


def settings_of(arguments: str) -> BenchmarkSettings:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return read_settings(parser.parse_args(["--counts", "1,5,20,21,50", *arguments.split()]))


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        ("", [1, 4, 4, 3, 3]),
        ("--concurrency 10", [1, 5, 5, 3, 3]),
        ("--concurrency 2", [1, 2, 2, 2, 2]),
        ("--concurrency 10 --force-concurrency", [1, 5, 10, 10, 10]),
        ("--concurrency 10 --safer", [1, 2, 2, 2, 2]),
    ],
)
def test_caps_are_those_of_the_reference(arguments: str, allowed: list[int]) -> None:
    settings = settings_of(arguments)
    assert [choose_concurrency(settings, count=count) for count in settings.counts] == allowed


def test_what_the_caps_change_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    warn_of_caps(settings_of("--concurrency 10"))
    assert "20 images: 5 at once instead of 10" in caplog.messages
    assert len(caplog.messages) == 3
    caplog.clear()
    warn_of_caps(settings_of("--concurrency 10 --force-concurrency"))
    assert caplog.messages == [
        "Using the full requested concurrency of 10: this may overload the service"
    ]
    assert caplog.records[0].levelname == "WARNING"


def test_safer_is_slower_unless_a_delay_is_asked_for() -> None:
    assert settings_of("").delay_s == 0
    assert settings_of("--safer").delay_s == 0.5
    assert settings_of("--safer --delay 0").delay_s == 0
    assert settings_of("--delay 1.5").delay_s == 1.5


def test_work_is_never_answered_from_a_cache() -> None:
    assert settings_of("").target.use_cache is False
    heavy = settings_of("--passes 3 --threads 1,2").target
    assert json.loads(heavy.operations or "") == [["grayscale", {"passes": 3, "threads": [1, 2]}]]
    assert json.loads(settings_of("--threads 2").target.operations or "")[0][1] == {"threads": 2}


def test_safer_and_forced_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        settings_of("--safer --force-concurrency")


def test_the_gravest_exit_code_of_all_counts_is_told() -> None:
    assert choose_gravest([ExitCode.OK, ExitCode.OK]) is ExitCode.OK
    codes = [ExitCode.OK, ExitCode.GENERATOR_INVALID, ExitCode.WRONG_ANSWERS, ExitCode.INTERRUPTED]
    assert choose_gravest(codes) is ExitCode.WRONG_ANSWERS
    assert choose_gravest(codes[:2]) is ExitCode.GENERATOR_INVALID


async def test_each_count_is_asked_for_measured_and_drawn(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "panels.png"
    async with serve_grayscale() as service:
        ended = await script(
            *("--url", service.url, "--counts", "1,5,90", "--concurrency", "10"),
            *("--output", output, "--passes", "2", photos),
        )
        assert len(service.asked) == 96
        assert {params["passes"] for params in service.asked} == {2}
    assert ended.code == ExitCode.OK, ended.err
    assert output.read_bytes().startswith(b"\x89PNG")
    told = json.loads(output.with_suffix(".json").read_text())
    points = told["points"]
    assert [(point["count"], point["concurrency"]) for point in points] == [(1, 1), (5, 5), (90, 3)]
    assert [point["success"] for point in points] == [1, 1, 1]
    assert [point["p95_latency_s"] is None for point in points] == [True, True, False]
    for point in points:
        assert (point["queue_s"], point["processing_s"], point["total_s"]) == (0.25, 0.5, 0.75)
        # The service's own metric, over this count alone.
        assert point["metrics_s"] == {"dispatcher_queue_wait_seconds": 0.25}
    assert "90 images: 3 at once instead of 10" in ended.err
    assert "Succeeded: 96 of 96 (100% of 1, 100% of 5, 100% of 90)" in ended.out


async def test_an_interrupted_benchmark_keeps_the_counts_that_it_reached(
    photos: Path, tmp_path: Path
) -> None:
    output = tmp_path / "panels.png"
    # Four workers; the one whose image was answered sends the seventh.
    async with (
        serve_grayscale(never_from=3, awaited=7) as service,
        started(
            *("--url", service.url, "--counts", "2,5,9", "--output", output, photos)
        ) as process,
    ):
        await asyncio.wait_for(service.arrived.wait(), 20)
        process.send_signal(signal.SIGINT)
        ended = await end_of(process)
    assert ended.code == ExitCode.INTERRUPTED, ended.err
    told = json.loads(output.with_suffix(".json").read_text())
    assert told["interrupted"] is True
    assert [(point["count"], point["ok"]) for point in told["points"]] == [(2, 2), (5, 1)]
    assert "Traceback" not in ended.err


async def test_a_service_that_goes_away_leaves_the_counts_before_with_their_reports(
    photos: Path, tmp_path: Path
) -> None:
    output, out = tmp_path / "panels.png", tmp_path / "reports"
    async with serve_grayscale(closes_after=2) as service:
        ended = await script(
            *("--url", service.url, "--counts", "3,4", "--output", output, "--out", out, photos)
        )
    assert ended.code == ExitCode.CANNOT_RUN, ended.err
    told = json.loads(output.with_suffix(".json").read_text())
    assert told["interrupted"] is True
    assert [(point["count"], point["ok"]) for point in told["points"]] == [(3, 3)]
    assert json.loads((out / "3-images" / "report.json").read_text())["counts"]["ok"] == 3
    assert f"load_tester: service unreachable at {service.url}" in ended.complaints()[-1]


async def test_panels_that_cannot_be_written_lose_no_figure(photos: Path, tmp_path: Path) -> None:
    output, out = tmp_path / "panels.png", tmp_path / "reports"
    async with (
        serve_grayscale() as service,
        started(
            *("--url", service.url, "--counts", "2", "--output", output, "--out", out, photos)
        ) as process,
    ):
        await asyncio.wait_for(service.arrived.wait(), 20)
        output.mkdir()
        ended = await end_of(process)
    assert ended.code == ExitCode.CANNOT_RUN
    (told,) = ended.complaints()
    assert f"cannot write {output}" in told
    assert len(json.loads(output.with_suffix(".json").read_text())["points"]) == 1
    assert json.loads((out / "2-images" / "report.json").read_text())["counts"]["ok"] == 2
    assert "Succeeded: 2 of 2" in ended.out


async def test_an_interruption_before_the_first_count_is_told_in_one_line(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def nothing(settings: BenchmarkSettings) -> Reached:
        return Reached(steps=())

    monkeypatch.setattr("load_tester.cli.benchmark.run_benchmark", nothing)
    arguments = ["--counts", "1", "--output", str(tmp_path / "a.png"), str(photos)]
    assert await asyncio.to_thread(main, arguments) == ExitCode.INTERRUPTED
    assert capfd.readouterr().err == "load_tester: interrupted before the first count was begun\n"


def at(service: GrayscaleService) -> TargetSettings:
    return TargetSettings(urls=(service.url,))


async def test_safer_waits_until_the_queue_is_empty() -> None:
    async with (
        serve_grayscale(queue_size=[2]) as service,
        open_bystander(at(service), metrics_url=f"{service.url}/metrics") as beside,
    ):
        await wait_until_calm(beside, asyncio.Event(), pause_s=0.01)
        assert service.looks_at_status == 2


async def test_a_queue_that_never_empties_or_a_stop_ends_the_waiting() -> None:
    async with (
        serve_grayscale(ready_status=503) as service,
        open_bystander(at(service), metrics_url=f"{service.url}/metrics") as beside,
    ):
        await wait_until_calm(beside, asyncio.Event(), pause_s=0.01, longest_s=0.05)
        stop = asyncio.Event()
        stop.set()
        await wait_until_calm(beside, stop)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--counts one", "--counts takes whole numbers"),
        ("--counts 0", "--counts must be from 1 to 100000"),
        ("--counts 1 --concurrency 0", "--concurrency must be from 1"),
        ("--counts 1 --passes 11", "--passes must be from 1 to 10"),
        ("--counts 1 --retries -1", "--retries must be from"),
        ("--counts 1 --delay -1", "--delay must be"),
        ("--counts 1 --metrics-url h", "not an http"),
        ("--counts 1 --output /dev/null/a.png", "cannot write to the folder"),
        ("--counts 1 --url http://127.0.0.1:1", "service unreachable"),
    ],
)
def test_what_cannot_run_is_told_in_one_line(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    given: list[Any] = arguments.split()
    if "--output" not in given:
        given += ["--output", str(tmp_path / "a.png")]
    assert main([*given, "--images", str(photos)]) == ExitCode.CANNOT_RUN
    out, err = capfd.readouterr()
    told = [line for line in err.splitlines() if "INFO" not in line]
    assert out == ""
    assert len(told) == 1, told
    assert message in told[0]
