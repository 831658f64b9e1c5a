"""The parts of a form, found while it arrives.

The push parser of the package ``multipart`` finds the boundaries; here stands what every form
must be, whatever its fields.
"""

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from dispatcher.errors import MalformedMultipartError

_BOUNDARY: Final = re.compile(
    # The characters of RFC 2046 without the space, quoted or not.
    rb"""; *boundary *= *("?)([0-9a-z'()+_,./:=?-]{1,70})\1 *(?:;|$)""",
    re.IGNORECASE,
)
_BOUNDARY_NAME: Final = re.compile(rb"; *boundary *=", re.IGNORECASE)
_PLAIN_ENCODINGS: Final = frozenset({"binary", "8bit", "7bit"})
"""Transfer encodings that change nothing; RFC 7578 deprecates the others."""

PartEvent: TypeAlias = MultipartSegment | bytes | None
"""The head of a part, some of its content, or its end."""


class FormParser:
    """Cuts one form into its parts."""

    def __init__(self, content_type: bytes, *, max_overhead_bytes: int) -> None:
        """Prepare for a form.

        Args:
            content_type: of the request.
            max_overhead_bytes: how much may belong to no part's content.

        Raises:
            MalformedMultipartError: the Content-Type names no usable boundary.
        """
        self._max_overhead_bytes = max_overhead_bytes
        self._overhead_bytes = 0
        # Latin-1 decodes any header; file_name_of makes UTF-8 of a name as far as it is that.
        self._parser = PushMultipartParser(_boundary_of(content_type), header_charset="latin-1")

    def parse(self, chunk: bytes) -> Iterator[PartEvent]:
        """Yield what the next bytes of the body hold.

        Raises:
            MalformedMultipartError: they are no part of a form.
        """
        self._overhead_bytes += len(chunk)
        try:
            for event in self._parser.parse(chunk):
                if isinstance(event, MultipartSegment) or event is None:
                    yield event
                else:
                    self._overhead_bytes -= len(event)
                    yield bytes(event)
        except MultipartError as exc:
            raise MalformedMultipartError from exc
        if self._overhead_bytes > self._max_overhead_bytes:
            raise MalformedMultipartError("Too much of the form belongs to no part.")

    def finish(self) -> None:
        """Return when the form was complete.

        Raises:
            MalformedMultipartError: the closing boundary never came.
        """
        if not self._parser.closed:
            try:
                self._parser.close()
            except MultipartError as exc:
                raise MalformedMultipartError("The form ends too early.") from exc


def _boundary_of(content_type: bytes) -> bytes:
    """Return the boundary that a Content-Type names.

    Raises:
        MalformedMultipartError: there is none that can be used, or more than one.
    """
    found = _BOUNDARY.search(content_type)
    if found is None or len(_BOUNDARY_NAME.findall(content_type)) > 1:
        raise MalformedMultipartError("The Content-Type has no valid boundary.")
    return found[2]


def check_part(part: MultipartSegment) -> None:
    """Return when the content of a part can be taken as it is.

    Raises:
        MalformedMultipartError: it is encoded, or a form itself.
    """
    encoding = part.header("Content-Transfer-Encoding", "binary").strip().lower()
    if encoding not in _PLAIN_ENCODINGS:
        raise MalformedMultipartError("Content-Transfer-Encoding is not decoded.")
    if part.content_type is not None and part.content_type.startswith("multipart/"):
        raise MalformedMultipartError("A part may not be multipart itself.")


def file_name_of(part: MultipartSegment) -> str:
    """Return the file name of a part whose headers were decoded as Latin-1."""
    return str(part.filename).encode("latin-1").decode(errors="replace")
