"""Makes the report of an earlier run again, from its raw file."""

import argparse
import logging
from pathlib import Path

from load_tester.cli.command import Command
from load_tester.cli.console import LOGGER
from load_tester.errors import ExitCode
from load_tester.figures.comparison import compare
from load_tester.report.document import Extras
from load_tester.report.files import PAGE_FILE, write_derived
from load_tester.report.raw import find_raw, read_raw
from load_tester.report.scaling_file import read_scaling

log = logging.getLogger(f"{LOGGER}.report")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the `report` command."""
    add = parser.add_argument
    add("run", type=Path, metavar="FOLDER|RAW", help="an earlier run's folder, or its raw.jsonl")
    add("--out", type=Path, metavar="FOLDER", help="receives the report (beside the raw file)")
    add(
        "--against",
        type=Path,
        metavar="FOLDER|RAW",
        help="another run, to be compared with: it is the first, this one the second",
    )
    add(
        "--scaling", type=Path, metavar="FILE", help="the JSON of a thread-scaling run, to be shown"
    )


def run(given: argparse.Namespace) -> ExitCode:
    """Read the raw file, write the report; return the exit code."""
    raw = find_raw(given.run)
    again = read_raw(raw)
    comparison = None
    if given.against is not None:
        comparison = compare(read_raw(find_raw(given.against)), again)
    scaling = None if given.scaling is None else read_scaling(given.scaling)
    folder = given.out or raw.parent
    write_derived(again, folder, extras=Extras(comparison=comparison, scaling=scaling))
    log.info("Wrote %s", folder / PAGE_FILE)
    return ExitCode.OK


COMMAND = Command("Make the report of an earlier run again, from its raw file.", add_arguments, run)
