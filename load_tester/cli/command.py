"""What one command of the command line is, and which one the arguments mean. Pure."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from load_tester.errors import ExitCode


class CommandName(StrEnum):
    """The commands; those marked so are chosen by a flag and need no name."""

    REPLAY = "replay"  # without any: a plan, open loop
    CLOSED = "closed"  # by --count
    BENCHMARK = "benchmark"  # by --counts
    SCALING = "scaling"  # by --threads
    CAPACITY = "capacity"
    COMPARE = "compare"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Command:
    """One command: what it is for, the flags that it takes, and what it does."""

    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], ExitCode]


# In this order: `--counts 1,5 --threads 2` is a benchmark of a step with two threads.
_BY_FLAG = {
    "--counts": CommandName.BENCHMARK,
    "--count": CommandName.CLOSED,
    "--threads": CommandName.SCALING,
}


def choose_command(arguments: Sequence[str]) -> tuple[CommandName, list[str]]:
    """Return the command that the arguments mean, and the arguments left for it."""
    if arguments and arguments[0] in set(CommandName):
        return CommandName(arguments[0]), list(arguments[1:])
    flags = {argument.partition("=")[0] for argument in arguments}
    for flag, command in _BY_FLAG.items():
        if flag in flags:
            return command, list(arguments)
    return CommandName.REPLAY, list(arguments)


def describe_command() -> str:
    """Return the line for a shell that started this; keys are never on it."""
    line = shlex.join(["load_tester.py", *sys.argv[1:]])
    # What is no UTF-8 in it could not be written into a report.
    return os.fsencode(line).decode(errors="backslashreplace")
