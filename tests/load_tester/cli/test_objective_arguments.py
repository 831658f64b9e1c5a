import argparse

import pytest

from load_tester.cli.objective_arguments import (
    ObjectiveSettings,
    add_objective_arguments,
    check_warm_up,
    read_objective_arguments,
)
from load_tester.errors import UsageError


def read(*arguments: str) -> ObjectiveSettings:
    parser = argparse.ArgumentParser()
    add_objective_arguments(parser)
    return read_objective_arguments(parser.parse_args(arguments))


def test_without_flags_nothing_is_asked_and_the_generator_is_checked() -> None:
    assert read() == ObjectiveSettings()
    assert read().self_check


def test_objectives_may_come_as_a_list_and_several_times() -> None:
    given = read("--slo", "p95<300ms, wrong==0", "--slo", "goodput>=90/s")
    assert given.objectives == ("p95<300ms", "wrong==0", "goodput>=90/s")


def test_every_flag_is_read() -> None:
    given = read("--warm-up", "5", "--no-self-check", "--metrics-url", "http://other:9/m")
    assert (given.warm_up_s, given.self_check, given.metrics_url) == (5, False, "http://other:9/m")


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--slo", "fast"),
        ("--warm-up", "-1"),
        ("--warm-up", "nan"),
        ("--warm-up", "inf"),
        ("--metrics-url", "ftp://other"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(flag: str, value: str) -> None:
    with pytest.raises(UsageError) as refusal:
        read(flag, value)
    assert "\n" not in str(refusal.value)


def test_a_warm_up_that_leaves_nothing_is_refused() -> None:
    check_warm_up(9.0, plan_s=10.0)
    with pytest.raises(UsageError, match="--warm-up 10 leaves nothing of a schedule of 10 s"):
        check_warm_up(10.0, plan_s=10.0)
