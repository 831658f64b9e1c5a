"""Asks a person before anything is lost."""

import sys

from dispatcher.operations.target import OperationError


def confirm(question: str) -> None:
    """Return when somebody says yes.

    Raises:
        OperationError: nobody does, or nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise OperationError(f"{question} Say --yes: there is no terminal to ask on")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise OperationError("nothing was changed")
