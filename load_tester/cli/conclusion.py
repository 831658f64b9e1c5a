"""The end of a run: its files, its summary, and the exit code."""

from pathlib import Path

from load_tester.cli import console
from load_tester.errors import ExitCode
from load_tester.figures.objectives import Check, check_objectives
from load_tester.figures.summary import Summary, summarize
from load_tester.figures.verdict import Level, Verdict, judge
from load_tester.run import Run


def conclude(run: Run, *, out: Path | None) -> ExitCode:
    """Write the report where one is wanted, show the summary, and return the exit code.

    The summary is shown even when the report cannot be written; raises OutputError then.
    """
    summary, verdict, checks = summarize(run), judge(run), check_objectives(run)
    try:
        if out is not None:
            write_files(run, out)
    finally:
        console.write_out(console.render_run(summary, verdict, checks, out=out))
    if is_unanswered(summary):
        console.write_error("service unreachable: not one upload was answered")
    return choose_exit_code(summary, verdict, checks)


def write_files(run: Run, folder: Path) -> None:
    """Write the report of a run; what draws it takes half a second to load, so not before."""
    from load_tester.report.files import write_reports  # noqa: PLC0415

    write_reports(run, folder)


def choose_exit_code(summary: Summary, verdict: Verdict, checks: tuple[Check, ...]) -> ExitCode:
    """Return the exit code: the gravest thing that can be said of the run."""
    from_gravest = (
        (ExitCode.COUNTS_DIFFER, bool(summary.counts.find_discrepancies())),
        (ExitCode.WRONG_ANSWERS, summary.counts.wrong > 0),
        (ExitCode.INTERRUPTED, summary.interrupted),
        (ExitCode.CANNOT_RUN, is_unanswered(summary)),
        (ExitCode.GENERATOR_INVALID, verdict.level is Level.INVALID),
        (ExitCode.OBJECTIVE_MISSED, not all(check.is_met for check in checks)),
    )
    return next((code for code, is_so in from_gravest if is_so), ExitCode.OK)


def is_unanswered(summary: Summary) -> bool:
    """Tell whether every single upload broke for want of a service."""
    sent = summary.counts.sent
    return sent > 0 and summary.reasons.get("failed:connection") == sent
