"""Every error the load tester raises, on one screen.

LoadTesterError
├── UsageError             the run cannot start as asked: one line, exit code 1
│   ├── ObjectiveError     an objective cannot be read
│   ├── RawFileError       a raw file cannot be read, or is not one
│   ├── ScheduleError      the schedule cannot be read or sends nothing
│   ├── ImagesError        no folder, no images, or an image that cannot be read
│   ├── AddressError       the URL is not one to send images to
│   └── OutputError        the report folder cannot be written
├── UnreachableError       nothing answers at the URL: one line, exit code 1
└── ImageError             one image ended without a result; it is counted, the run goes on
    ├── RefusedError       the service said 429 or 503 to the upload
    ├── FailedError        the service or the connection failed the image
    │   └── BrokenError    the connection broke before an answer came
    └── WrongError         an answer broke the contract
"""

from enum import IntEnum

from load_tester.record import Outcome


class ExitCode(IntEnum):
    """What the process says when it ends."""

    OK = 0  # the whole schedule was replayed and every answer was well formed
    CANNOT_RUN = 1  # bad arguments, or nothing answers at the URL
    OBJECTIVE_MISSED = 2  # an objective was missed, or could not be shown to be met
    GENERATOR_INVALID = 3  # the generator was late or disturbed: the figures tell of it instead
    WRONG_ANSWERS = 4  # at least one answer broke the contract
    COUNTS_DIFFER = 5  # the counts do not add up: the report is not to be believed
    INTERRUPTED = 130  # stopped by Ctrl-C or a termination signal; the summary covers what happened


class LoadTesterError(Exception):
    """Anything the load tester says no to."""


class UsageError(LoadTesterError):
    """The run cannot start as it was asked for."""


class ScheduleError(UsageError):
    """The schedule cannot be read, or sends nothing."""


class ImagesError(UsageError):
    """The images cannot be found or read."""


class AddressError(UsageError):
    """The URL is not one that images can be sent to."""


class OutputError(UsageError):
    """The folder for the report cannot be written."""


class ObjectiveError(UsageError):
    """An objective cannot be read."""


class RawFileError(UsageError):
    """A raw file cannot be read, or is not one."""


class UnreachableError(LoadTesterError):
    """Nothing answers at the URL."""


class ImageError(LoadTesterError):
    """One image ended without a result; `reason` is short and stable, for counting."""

    outcome: Outcome

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RefusedError(ImageError):
    """The service refused the upload at once, because it or this client is over its share."""

    outcome = Outcome.REFUSED


class FailedError(ImageError):
    """The service failed the image or lost it."""

    outcome = Outcome.FAILED


class BrokenError(FailedError):
    """The connection broke before an answer came."""

    def __init__(self) -> None:
        super().__init__("connection")


class WrongError(ImageError):
    """An answer that breaks the contract: not what a client could have used."""

    outcome = Outcome.WRONG
