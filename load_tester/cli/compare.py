"""Compares two earlier runs, and says what chance does not explain."""

import argparse
import logging
from pathlib import Path

import msgspec

from load_tester.cli import console
from load_tester.cli.command import Command
from load_tester.cli.comparison_table import render_comparison
from load_tester.cli.run_arguments import check_seed
from load_tester.errors import ExitCode, OutputError
from load_tester.figures.comparison import compare
from load_tester.report.raw import find_raw, read_raw
from load_tester.report.whole import write_whole

log = logging.getLogger(f"{console.LOGGER}.compare")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the `compare` command."""
    add = parser.add_argument
    add("first", type=Path, metavar="A", help="the run to compare with: its folder or raw file")
    add("second", type=Path, metavar="B", help="the run that is judged")
    add("--fail-if-slower", action="store_true", help="exit code 2 when B is worse beyond chance")
    add("--out", type=Path, metavar="FILE", help="receives the comparison as JSON")
    add("--seed", type=int, default=0, help="fixes what is drawn for the intervals (%(default)s)")


def run(given: argparse.Namespace) -> ExitCode:
    """Compare the two runs and print the table; return the exit code."""
    seed = check_seed(given.seed)
    first, second = (read_raw(find_raw(path)) for path in (given.first, given.second))
    comparison = compare(first, second, seed=seed)
    console.write_out(render_comparison(comparison))
    if given.out is not None:
        text = msgspec.json.format(msgspec.json.encode(comparison))
        try:
            write_whole(given.out, [text, b"\n"])
        except OSError as exc:
            raise OutputError(f"cannot write {given.out}: {exc.strerror}") from exc
        log.info("Wrote %s", given.out)
    failed = given.fail_if_slower and comparison.is_worse
    return ExitCode.OBJECTIVE_MISSED if failed else ExitCode.OK


COMMAND = Command(
    "Compare two earlier runs: faster, slower, or no difference beyond chance.",
    add_arguments,
    run,
)
