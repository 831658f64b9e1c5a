"""What becomes of a run that has ended: its exit code, its summary, its files."""

from pathlib import Path
from typing import Any

import pytest

from load_tester.cli.conclusion import choose_exit_code, conclude
from load_tester.errors import ExitCode, OutputError
from load_tester.figures.objectives import check_objectives
from load_tester.figures.summary import summarize
from load_tester.figures.verdict import judge
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Run
from tests.load_tester.records import make_record, make_run


def in_time(index: int, outcome: Outcome = Outcome.OK, **changes: Any) -> ImageRecord:
    return make_record(index, outcome, **({"sent_s": float(index)} | changes))


def code_of(run: Run) -> ExitCode:
    return choose_exit_code(summarize(run), judge(run), check_objectives(run))


def test_a_run_in_time_that_met_everything_ends_with_0() -> None:
    assert code_of(make_run(in_time(0), objectives=("wrong==0",))) is ExitCode.OK
    assert code_of(make_run(in_time(0, Outcome.REFUSED))) is ExitCode.OK


def test_a_missed_objective_ends_with_2() -> None:
    assert code_of(make_run(in_time(0), objectives=("ok>=2",))) is ExitCode.OBJECTIVE_MISSED


def test_a_late_generator_ends_with_3_whatever_was_met() -> None:
    late = [make_record(n) for n in range(500)]
    assert code_of(make_run(*late)) is ExitCode.GENERATOR_INVALID
    assert code_of(make_run(*late, objectives=("ok>=501",))) is ExitCode.GENERATOR_INVALID


@pytest.mark.parametrize(
    ("outcome", "planned", "code"),
    [
        (Outcome.OK, 1, ExitCode.INTERRUPTED),
        (Outcome.WRONG, 1, ExitCode.WRONG_ANSWERS),
        (Outcome.WRONG, 2, ExitCode.COUNTS_DIFFER),
    ],
)
def test_the_gravest_comes_first(outcome: Outcome, planned: int, code: ExitCode) -> None:
    run = make_run(in_time(0, outcome), planned=(planned,), interrupted=True)
    assert code_of(run) is code


def test_a_run_of_which_no_upload_was_answered_ends_with_1_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = [in_time(n, Outcome.FAILED, reason="connection") for n in range(3)]
    assert conclude(make_run(*broken), out=None) is ExitCode.CANNOT_RUN
    told = capsys.readouterr()
    assert "3 x failed:connection" in told.out
    assert told.err == "load_tester: service unreachable: not one upload was answered\n"


def test_the_summary_is_shown_even_when_the_report_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(OutputError):
        conclude(make_run(in_time(0)), out=occupied)
    assert "Load test finished" in capsys.readouterr().out
