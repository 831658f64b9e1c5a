"""A form read while it arrives: the file goes into a digest, text fields are kept short.

What is accepted is decided here. Starlette's own form reading spools files to disk and hashes
nothing, and the parser that it uses takes twice the time.
"""

import hashlib
from typing import Final

from multipart import MultipartSegment

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
from dispatcher.intake.form_parser import FormParser, check_part, file_name_of

FIELD_NAMES: Final = frozenset(
    {"image", "pipeline", "params", "tiles", "cache", "timeout_s"}
    | {"priority", "deadline_s", "webhook_url"}
)
MAX_PARTS: Final = 9
MAX_FIELD_BYTES: Final = 64 * 1024
MAX_FORM_OVERHEAD_BYTES: Final = 1024 * 1024
"""What a form may add to the content of its parts: boundaries, headers, preamble, epilogue."""
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
        self._parser = FormParser(content_type, max_overhead_bytes=MAX_FORM_OVERHEAD_BYTES)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            RequestError: the form is malformed, or not one that is taken.
        """
        for event in self._parser.parse(chunk):
            if isinstance(event, MultipartSegment):
                self._open(event)
            elif event is not None:
                self._take(event)

    def finish(self) -> ImagePart:
        """Return the file, after the last chunk.

        Raises:
            MalformedMultipartError: the closing boundary never came.
            MissingFieldError: there was no file named ``image``.
            UnknownFieldError: there was a field that is not taken.
        """
        self._parser.finish()
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


def _decode(name: str, text: bytearray) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as exc:
        error = InvalidParamsError if name == "params" else MalformedMultipartError
        raise error("A text field is not UTF-8.") from exc
