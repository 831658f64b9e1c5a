"""Whether an answer is the right one, beyond being well formed. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Protocol

from jsonschema.protocols import Validator
from referencing.exceptions import Unresolvable

from load_tester.errors import WrongError
from load_tester.figures.summary import is_same_label
from load_tester.images import Upload
from load_tester.targets.base import Answer

# What of an answer's own words may be part of a reason.
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_DEEPEST = 8


class Check(Protocol):
    """One question that is asked of every answer."""

    def wants_picture(self, answer: Answer, upload: Upload) -> bool:
        """Tell whether the picture has to be fetched to answer it."""

    def find_fault(self, answer: Answer, upload: Upload, *, picture: bytes | None) -> str | None:
        """Return what is wrong with the answer, short and stable, None when it is right."""


class Checks:
    """Every check of a run; none at all is the usual case."""

    def __init__(
        self, checks: Sequence[Check] = (), *, at_end: Callable[[], None] = lambda: None
    ) -> None:
        """Take the checks, and what is to be done at last with what they kept."""
        self._checks = tuple(checks)
        self.finish = at_end
        """To be called once all is over, and only when nothing was cut short; raises OutputError
        when what was kept cannot be written."""

    def want_picture(self, answer: Answer, upload: Upload) -> bool:
        """Tell whether any of them has to see the picture."""
        return any(check.wants_picture(answer, upload) for check in self._checks)

    def judge(self, answer: Answer, upload: Upload, *, picture: bytes | None) -> None:
        """Return when no check finds a fault; raises WrongError with the first."""
        for check in self._checks:
            fault = check.find_fault(answer, upload, picture=picture)
            if fault is not None:
                raise WrongError(fault)


class _JsonCheck:
    """A check that needs no picture."""

    def wants_picture(self, answer: Answer, upload: Upload) -> bool:
        """Return that it does not."""
        del answer, upload
        return False


class LabelCheck(_JsonCheck):
    """The best label is the true one; files without a known label are right whatever is said."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = labels

    def find_fault(self, answer: Answer, upload: Upload, *, picture: bytes | None) -> str | None:
        """Return `wrong_label` or `no_label`, None for the right label."""
        del picture
        expected = self._labels.get(upload.file)
        if expected is None:
            return None
        if answer.top_label is None:
            return "no_label"
        return None if is_same_label(answer.top_label, expected) else "wrong_label"


class SchemaCheck(_JsonCheck):
    """The JSON of an answer follows a JSON schema."""

    def __init__(self, validator: Validator) -> None:
        self._validator = validator

    def find_fault(self, answer: Answer, upload: Upload, *, picture: bytes | None) -> str | None:
        """Return `schema_broken:PLACE` with the place of the first fault, None without.

        A number that is too long to be computed with is `schema_number_too_long`.
        """
        del upload, picture
        if answer.document is None:
            return "schema_needs_json"
        try:
            fault = next(self._validator.iter_errors(answer.document), None)
        except (Unresolvable, RecursionError):
            return "schema_without_end"
        except ArithmeticError:
            return "schema_number_too_long"
        return None if fault is None else f"schema_broken:{_place(fault.absolute_path)}"


class GoldenCheck:
    """The answer for a file is the one that was kept for it; other files are not judged."""

    def __init__(self, golden: Mapping[str, Mapping[str, str]]) -> None:
        """Take what is expected by file: `{"label": …}` or `{"sha256": …}`."""
        self._golden = golden

    def wants_picture(self, answer: Answer, upload: Upload) -> bool:
        """Tell whether a picture is expected for the file."""
        del answer
        return "sha256" in self._golden.get(upload.file, {})

    def find_fault(self, answer: Answer, upload: Upload, *, picture: bytes | None) -> str | None:
        """Return `not_golden`, `no_label` or `no_picture`, None for the same answer."""
        expected = self._golden.get(upload.file)
        if expected is None:
            return None
        if "sha256" in expected:
            told, missing = _digest(picture), "no_picture"
        else:
            told, missing = answer.top_label, "no_label"
        if told is None:
            return missing
        return None if told in expected.values() else "not_golden"


class GoldenRecorder:
    """Keeps the first answer for each file; a later one that differs is wrong."""

    def __init__(self) -> None:
        self.golden: dict[str, dict[str, str]] = {}

    def wants_picture(self, answer: Answer, upload: Upload) -> bool:
        """Tell whether there is no label that could be kept instead."""
        del upload
        return answer.top_label is None

    def find_fault(self, answer: Answer, upload: Upload, *, picture: bytes | None) -> str | None:
        """Return `answers_differ` or `no_picture`, None for a new or the same answer."""
        if answer.top_label is not None:
            told = {"label": answer.top_label}
        elif picture is not None:
            told = {"sha256": sha256(picture).hexdigest()}
        else:
            return "no_picture"
        return None if self.golden.setdefault(upload.file, told) == told else "answers_differ"


def _digest(picture: bytes | None) -> str | None:
    return None if picture is None else sha256(picture).hexdigest()


def _place(path: Sequence[Any]) -> str:
    """Return where in an answer something is, in words that are safe to show."""
    parts = [part if _PLAIN.fullmatch(part) else "?" for part in map(str, path)]
    return "/".join([*parts[:_DEEPEST], *(["..."] if len(parts) > _DEEPEST else [])]) or "."
