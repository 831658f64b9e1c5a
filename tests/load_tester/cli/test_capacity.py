import asyncio
import json
from pathlib import Path

import pytest

from load_tester.cli.capacity import choose_exit_code, choose_limits, plan_poisson
from load_tester.cli.capacity_arguments import SearchSettings
from load_tester.cli.capacity_table import TriedStep, describe_capacity
from load_tester.cli.main import main
from load_tester.errors import ExitCode
from load_tester.figures.capacity import Capacity, End, Step, StepResult
from load_tester.record import Outcome
from load_tester.report.raw import RAW_FILE, read_raw
from load_tester.run import Ceiling
from tests.load_tester.cli.running_script import end_of, script, started
from tests.load_tester.mock_service.process import running_mock, write_images
from tests.load_tester.mock_service.script import Script
from tests.load_tester.records import make_record, make_run
from tests.load_tester.scripted_service import SLOW, Fate, serve


def test_the_number_in_each_second_of_a_poisson_process_is_drawn_too() -> None:
    plan = plan_poisson(50, seconds=200, seed=1)
    mean = sum(plan.per_second) / 200
    spread = sum((count - mean) ** 2 for count in plan.per_second) / 199
    assert mean == pytest.approx(50, rel=0.05)
    assert spread == pytest.approx(50, rel=0.35)
    assert list(plan.moments_s) == sorted(plan.moments_s)
    assert plan.digest == plan_poisson(50, seconds=200, seed=1).digest
    assert plan.digest != plan_poisson(50, seconds=200, seed=2).digest


@pytest.mark.parametrize(
    ("high", "ceiling", "expected"),
    [(None, 1000.0, 700.0), (None, None, 10_000.0), (90.0, 1000.0, 90.0), (None, 5.0, 8.0)],
)
def test_no_rate_is_tried_at_which_the_load_tester_could_not_be_believed(
    high: float | None, ceiling: float | None, expected: float
) -> None:
    settings = SearchSettings(low=8, high=high, step_s=20, quiet=True)
    own = None if ceiling is None else Ceiling(cycles_per_s=ceiling, body_bytes=1)
    assert choose_limits(settings, own).high == expected


def test_what_was_found_is_said_in_one_sentence() -> None:
    found = Capacity(rate=95, missed_rate=99.5, end=End.FOUND)
    assert describe_capacity(found) == (
        "The objectives were met up to 95 images per second, and missed at 99.5."
    )
    bounded = Capacity(rate=64, missed_rate=None, end=End.GENERATOR)
    assert "the capacity may be higher: the load tester was disturbed" in describe_capacity(bounded)
    none = Capacity(rate=None, missed_rate=8, end=End.BELOW_LOW)
    assert describe_capacity(none).startswith("No rate was shown to meet the objectives")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--low", "9"],
        ["--slo", "p95<1s", "--low", "0"],
        ["--slo", "p95<1s", "--low", "9", "--high", "8"],
        ["--slo", "p95<1s", "--step-s", "nan"],
        ["--slo", "fast"],
    ],
)
def test_a_search_that_cannot_be_is_refused_in_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["capacity", *arguments]) == ExitCode.CANNOT_RUN
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("load_tester: ")


async def test_a_search_is_shown_written_and_can_be_made_a_report_of(
    photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    # The sixtieth image and all after it are refused: so the second step misses. Answers
    # are slow, so that a busy machine is no reason to call a step invalid.
    async with serve(
        lambda n: Fate(submit_status=503 if n >= 60 else 202, after_s=SLOW.after_s)
    ) as service:
        ended = await script(
            *("capacity", "--url", service.url, "--images", photos, "--out", out, "--seed", "4"),
            *("--slo", "error<20%", "--low", "30", "--high", "30", "--step-s", "1"),
            "--no-self-check",
        )
    told = json.loads((out / "capacity.json").read_bytes())
    assert told["sentence"] in ended.out
    assert told["capacity"]["rate"] in {step["rate"] for step in told["steps"]} | {None}
    assert "Step 1: 30 images per second for 1 s" in ended.err
    first = read_raw(next(out.glob("step-01-*")) / RAW_FILE)
    assert len(first.records) == told["steps"][0]["images"] == sum(first.planned)


async def test_a_service_too_slow_for_the_lowest_rate_is_an_objective_missed(photos: Path) -> None:
    async with serve(lambda _: SLOW) as service:
        ended = await script(
            *("capacity", "--url", service.url, "--images", photos, "--no-self-check"),
            *("--slo", "max<50ms", "--low", "10", "--step-s", "1"),
        )
    assert ended.code == ExitCode.OBJECTIVE_MISSED
    assert "the lowest rate to be tried missed the objectives" in ended.out


async def test_a_service_that_goes_away_leaves_the_steps_before(tmp_path: Path) -> None:
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    write_images(images, count=3, size_bytes=2_000)
    with running_mock(Script(service_s=0.3)) as mock:
        async with started(
            *("capacity", "--url", mock.url, "--images", images, "--out", out, "--no-self-check"),
            *("--slo", "error<5%", "--low", "5", "--step-s", "1", "--timeout", "1"),
        ) as process:
            assert process.stderr is not None
            while b"Step 2:" not in await asyncio.wait_for(process.stderr.readline(), 20):
                pass
            mock.kill()
            ended = await end_of(process)
    assert ended.code == ExitCode.CANNOT_RUN, ended.err
    assert ended.complaints()[-1].startswith(f"load_tester: service unreachable at {mock.url}")
    assert "Traceback" not in ended.err
    told = json.loads((out / "capacity.json").read_bytes())
    assert told["capacity"]["end"] == End.GONE
    assert "the service went away" in ended.out
    assert len(told["steps"]) == len(list(out.glob(f"step-*/{RAW_FILE}"))) >= 1


@pytest.mark.parametrize("end", [End.FOUND, End.INTERRUPTED, End.GONE])
def test_a_step_with_wrong_answers_is_graver_than_how_the_search_ended(end: End) -> None:
    run = make_run(make_record(0), make_record(1, Outcome.WRONG))
    step = TriedStep(step=Step(1.0, StepResult.MET), run=run)
    capacity = Capacity(rate=1.0, missed_rate=None, end=end)
    assert choose_exit_code([step], capacity) is ExitCode.WRONG_ANSWERS


def test_a_service_that_went_away_cannot_be_measured() -> None:
    step = TriedStep(step=Step(1.0, StepResult.MET), run=make_run(make_record(0)))
    capacity = Capacity(rate=1.0, missed_rate=None, end=End.GONE)
    assert choose_exit_code([step], capacity) is ExitCode.CANNOT_RUN
