"""The command line: finds the command that the arguments mean, and runs it."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from load_tester.cli import console
from load_tester.cli.command import Command, CommandName, choose_command
from load_tester.errors import ExitCode, UnreachableError, UsageError

EPILOG = (
    "Exit codes: 0 ok, 1 cannot run, 2 an objective missed, 3 the generator was disturbed, "
    "4 wrong answers, 5 the counts do not add up, 130 interrupted."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments mean; return the exit code."""
    console.start_logging()
    name, rest = choose_command(sys.argv[1:] if arguments is None else arguments)
    try:
        command = load_command(name)
        given = _create_parser(name, command).parse_args(rest)
        if getattr(given, "quiet", False):
            console.stop_logging()
        return command.run(given)
    except (UsageError, UnreachableError) as exc:
        console.write_error(str(exc))
        return ExitCode.CANNOT_RUN
    except OSError as exc:  # such as an image that is taken away in the middle of a run
        console.write_error(_tell_system_error(exc))
        return ExitCode.CANNOT_RUN
    except KeyboardInterrupt:
        console.write_error("interrupted")
        return ExitCode.INTERRUPTED


def load_command(name: CommandName) -> Command:
    """Return a command; only its own module is imported, for charts take long to load."""
    module = importlib.import_module(f"load_tester.cli.{name}")
    command = module.COMMAND
    assert isinstance(command, Command)
    return command


def _tell_system_error(exc: OSError) -> str:
    cause = exc.strerror or str(exc) or type(exc).__name__
    return cause if exc.filename is None else f"{exc.filename}: {cause}"


def _create_parser(name: CommandName, command: Command) -> argparse.ArgumentParser:
    others = ", ".join(other for other in CommandName if other is not name)
    parser = _Parser(
        prog=f"load_tester.py {name}" if name is not CommandName.REPLAY else "load_tester.py",
        description=command.summary,
        epilog=f"{EPILOG} Other commands, each with its own --help: {others}.",
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line, like every other bad argument's."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see --help)")
