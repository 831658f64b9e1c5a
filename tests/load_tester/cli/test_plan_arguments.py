import argparse
import shlex
from pathlib import Path

import pytest

from load_tester.cli.plan_arguments import add_plan_arguments, read_plan
from load_tester.errors import UsageError
from load_tester.plan.plan import Plan
from load_tester.plan.schedule import DEFAULT_SCHEDULE


def plan(arguments: str) -> Plan:
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    add_plan_arguments(parser)
    return read_plan(parser.parse_args(shlex.split(arguments)))


def test_without_a_word_the_reference_schedule_is_replayed_evenly() -> None:
    default = plan("")
    assert default.per_second == DEFAULT_SCHEDULE
    assert default.source == "default schedule"
    assert default.moments_s[1] == 0.25


def test_a_curve_takes_its_three_flags() -> None:
    ramp = plan("--curve ramp --users 50 --duration 120 --spawn-rate 5")
    assert sum(ramp.per_second) == 3000
    assert len(ramp.per_second) == 120
    assert ramp.source == "curve ramp"


def test_a_curve_without_flags_has_20_users_60_seconds_and_2_more_a_second() -> None:
    # A rise of 10 s to 20 lacks 100 of 1,200.
    assert sum(plan("--curve flat").per_second) == 1100


def test_an_expression_is_a_curve() -> None:
    wave = plan("--curve '=users*(1+sin(2*pi*t/duration))/2' --users 10 --duration 20")
    assert sum(wave.per_second) == 100
    assert wave.source == "curve =users*(1+sin(2*pi*t/duration))/2"


def test_a_trace_is_scaled_cut_and_repeated(tmp_path: Path) -> None:
    path = tmp_path / "workload.txt"
    path.write_text("9 10 20 9")
    scaled = plan(
        f"--trace twitter:{path} --from-second 1 --limit-seconds 2 --scale-rate 1/5"
        " --scale-time 2 --repeat 2"
    )
    assert scaled.per_second == (1, 1, 2, 2) * 2


def test_poisson_arrivals_follow_the_seed() -> None:
    digests = {plan(f"--arrivals poisson --seed {seed}").digest for seed in (1, 1, 2)}
    assert len(digests) == 2
    assert plan("--arrivals poisson").per_second == DEFAULT_SCHEDULE


def test_exact_moments_leave_nothing_to_draw(tmp_path: Path) -> None:
    path = tmp_path / "moments.csv"
    path.write_text("timestamp\n5\n5.75\n")
    assert list(plan(f"--schedule {path}").moments_s) == [0.0, 0.75]
    with pytest.raises(UsageError, match="--arrivals has no meaning"):
        plan(f"--schedule {path} --arrivals even")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--schedule=4,x", "neither a list nor a file"),
        ("--schedule=-4,1", "entry 1 is not a whole number"),
        ("--schedule 0", "sends no image"),
        ("--schedule 1000001", "too large"),
        ("--curve wave", "no such curve"),
        ("--curve =users", "needs --duration"),
        ("--curve ramp --users 0", "--users must be greater than 0"),
        ("--curve ramp --users nan", "--users must be greater than 0"),
        ("--curve ramp --users inf", "--users must be greater than 0"),
        ("--curve ramp --duration -5", "--duration must be greater than 0"),
        ("--curve ramp --duration 1e9", "too large"),
        ("--curve ramp --users 1e9 --spawn-rate 1e9", "too large"),
        ("--curve ramp --users 1 --duration 0.1", "sends no image"),
        ("--curve ramp --spawn-rate 0", "--spawn-rate must be greater than 0"),
        ("--users 5", "--users belongs to a curve"),
        ("--schedule 4 --duration 5", "--duration belongs to a curve"),
        ("--trace myspace:a", "not a trace"),
        ("--scale-rate 0", "--scale-rate is not a factor"),
        ("--scale-time x", "--scale-time is not a factor"),
        ("--repeat 0", "--repeat must be 1 or more"),
        ("--repeat 1000000", "too large"),
        ("--from-second -1", "--from-second must be 0 or more"),
        ("--from-second 56", "sends no image"),
        ("--limit-seconds 0", "--limit-seconds must be 1 or more"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(arguments: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        plan(arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        "--schedule 4 --curve ramp",
        "--curve ramp --trace twitter:a",
        "--users many",
        "--seed x",
        "--arrivals bursty",
    ],
)
def test_the_parser_refuses_what_it_can_see_itself(arguments: str) -> None:
    with pytest.raises(argparse.ArgumentError):
        plan(arguments)
