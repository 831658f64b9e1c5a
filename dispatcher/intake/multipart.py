"""A form read while it arrives: the file goes into a digest, text fields are kept short.

The push parser of the package ``multipart`` finds the boundaries; what is accepted is decided
here. Starlette's own form reading spools files to disk and hashes nothing, and the parser that
it uses takes twice the time.
"""

import hashlib
import re
from typing import Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from dispatcher.errors import (
    DuplicateFieldError,
    FieldTooLargeError,
    InvalidParamsError,
    MalformedMultipartError,
    MissingFieldError,
    PayloadTooLargeError,
    TooManyPartsError,
    UnknownFieldError,
    WrongFieldKindError,
)

FIELD_NAMES: Final = frozenset({"image", "pipeline", "params", "tiles", "cache", "timeout_s"})
MAX_PARTS: Final = 9
MAX_FIELD_BYTES: Final = 64 * 1024
MAX_FORM_OVERHEAD_BYTES: Final = 1024 * 1024
"""What a form may add to the content of its parts: boundaries, headers, preamble, epilogue."""
_BOUNDARY: Final = re.compile(
    # The characters of RFC 2046 without the space, quoted or not.
    rb"""; *boundary *= *("?)([0-9a-z'()+_,./:=?-]{1,70})\1 *(?:;|$)""",
    re.IGNORECASE,
)
_BOUNDARY_NAME: Final = re.compile(rb"; *boundary *=", re.IGNORECASE)
_PLAIN_ENCODINGS: Final = frozenset({"binary", "8bit", "7bit"})
"""Transfer encodings that change nothing; RFC 7578 deprecates the others."""
_KNOWN: Final = ", ".join(sorted(FIELD_NAMES))


class ImagePart:
    """The file of a form, growing."""

    def __init__(self, *, max_bytes: int) -> None:
        self.sha256 = hashlib.sha256()
        self.filename = ""
        self.chunks: list[bytes] = []
        self._max_bytes = max_bytes
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""
        self._size += len(chunk)
        if self._size > self._max_bytes:
            raise PayloadTooLargeError(f"At most {self._max_bytes} bytes are taken.")
        self.sha256.update(chunk)
        self.chunks.append(chunk)


class FormReader:
    """Parses one form: exactly one file, ``image``, and text fields by name."""

    def __init__(self, content_type: bytes, *, image: ImagePart) -> None:
        """Prepare for a form.

        Raises:
            MalformedMultipartError: the Content-Type names no usable boundary.
        """
        self._image = image
        self._has_image = False
        self._has_unknown = False
        self._texts: dict[str, bytearray] = {}
        self._target: ImagePart | bytearray | None = None
        self._parts = 0
        self._overhead_bytes = 0
        # Latin-1 decodes any header; file_name_of makes UTF-8 of a name as far as it is that.
        self._parser = PushMultipartParser(boundary_of(content_type), header_charset="latin-1")

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            RequestError: the form is malformed, or not one that is taken.
        """
        self._overhead_bytes += len(chunk)
        try:
            for event in self._parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    self._open(event)
                elif event is not None:
                    self._overhead_bytes -= len(event)
                    self._take(bytes(event))
        except MultipartError as exc:
            raise MalformedMultipartError from exc
        if self._overhead_bytes > MAX_FORM_OVERHEAD_BYTES:
            raise MalformedMultipartError("Too much of the form belongs to no part.")

    def finish(self) -> ImagePart:
        """Return the file, after the last chunk.

        Raises:
            MalformedMultipartError: the closing boundary never came.
            MissingFieldError: there was no file named ``image``.
            UnknownFieldError: there was a field that is not taken.
        """
        if not self._parser.closed:
            try:
                self._parser.close()
            except MultipartError as exc:
                raise MalformedMultipartError("The form ends too early.") from exc
        if not self._has_image:
            raise MissingFieldError("The form has no file field named image.")
        if self._has_unknown:
            raise UnknownFieldError(f"The form has an unknown field; known: {_KNOWN}.")
        return self._image

    def fields(self) -> dict[str, str]:
        """Return the text fields.

        Raises:
            RequestError: one is not UTF-8.
        """
        return {name: _decode(name, text) for name, text in self._texts.items()}

    def _open(self, part: MultipartSegment) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise TooManyPartsError(f"At most {MAX_PARTS} parts are taken.")
        check_part(part)
        name = part.name or ""
        if name not in FIELD_NAMES:
            # Told at the end, when it is known whether the image itself is missing.
            self._has_unknown = True
            self._target = bytearray() if part.filename is None else None
            return
        if (name == "image") != (part.filename is not None):
            wanted = "a file" if name == "image" else "a text field"
            raise WrongFieldKindError(f"{name} must be {wanted}.")
        if self._has_image if name == "image" else name in self._texts:
            raise DuplicateFieldError(f"The field {name} was sent twice.")
        if name == "image":
            self._has_image = True
            self._image.filename = file_name_of(part)
            self._target = self._image
        else:
            self._target = self._texts[name] = bytearray()

    def _take(self, data: bytes) -> None:
        if isinstance(self._target, ImagePart):
            self._target.feed(data)
        elif self._target is not None:
            self._target += data
            if len(self._target) > MAX_FIELD_BYTES:
                raise FieldTooLargeError(f"A text field has at most {MAX_FIELD_BYTES} bytes.")


def boundary_of(content_type: bytes) -> bytes:
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


def _decode(name: str, text: bytearray) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as exc:
        error = InvalidParamsError if name == "params" else MalformedMultipartError
        raise error("A text field is not UTF-8.") from exc
