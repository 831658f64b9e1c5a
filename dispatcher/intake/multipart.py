"""A form read while it arrives: the file goes into a digest, text fields are kept short.

python-multipart's push parser finds the boundaries; what is accepted is decided here. Slices of
the body are views, so that an image is copied once, when it is put together.
"""

import hashlib
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from dispatcher.errors import (
    DuplicateFieldError,
    FieldTooLargeError,
    MalformedMultipartError,
    MissingFieldError,
    PayloadTooLargeError,
    TooManyPartsError,
    UnknownFieldError,
    WrongFieldKindError,
)

MAX_PARTS: Final = 9
MAX_FIELD_BYTES: Final = 64 * 1024
MAX_BOUNDARY_BYTES: Final = 70
MAX_PART_HEADERS: Final = 8
MAX_PART_HEADER_BYTES: Final = 4096


class ImagePart:
    """The file of a form, growing."""

    def __init__(self, *, max_bytes: int) -> None:
        self.sha256 = hashlib.sha256()
        self.filename = ""
        self._max_bytes = max_bytes
        self._views: list[memoryview] = []
        self._size = 0

    def feed(self, view: memoryview) -> None:
        """Take the next bytes of the file."""
        self._size += len(view)
        if self._size > self._max_bytes:
            raise PayloadTooLargeError(f"At most {self._max_bytes} bytes are taken.")
        self.sha256.update(view)
        self._views.append(view)

    def join(self) -> bytes:
        """Return the whole file."""
        return b"".join(self._views)


class FormReader:
    """Parses one form: exactly one file, ``image``, and text fields by name."""

    def __init__(self, content_type: bytes, *, image: ImagePart) -> None:
        """Prepare for a form.

        Raises:
            MalformedMultipartError: the Content-Type names no usable boundary.
        """
        self._image = image
        self._has_image = False
        self._texts: dict[str, bytearray] = {}
        self._target: ImagePart | bytearray | None = None
        self._parts = 0
        self._is_finished = False
        self._name = bytearray()
        self._value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._parser = MultipartParser(
            _boundary(content_type),
            {
                "on_part_begin": self._begin_part,
                "on_header_field": lambda data, start, end: self._grow(self._name, data[start:end]),
                "on_header_value": lambda data, start, end: self._grow(
                    self._value, data[start:end]
                ),
                "on_header_end": self._end_header,
                "on_headers_finished": self._open_part,
                "on_part_data": self._take_data,
                "on_end": self._end,
            },
        )

    @property
    def fields(self) -> dict[str, str]:
        """The text fields.

        Raises:
            MalformedMultipartError: one is not UTF-8.
        """
        try:
            return {name: bytes(text).decode() for name, text in self._texts.items()}
        except UnicodeDecodeError as exc:
            raise MalformedMultipartError("A text field is not UTF-8.") from exc

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        try:
            self._parser.write(chunk)
        except FormParserError as exc:
            raise MalformedMultipartError from exc

    def finish(self) -> ImagePart:
        """Return the file, after the last chunk.

        Raises:
            MalformedMultipartError: the closing boundary never came.
            MissingFieldError: there was no file named ``image``.
        """
        if not self._is_finished:
            raise MalformedMultipartError("The form ends without its closing boundary.")
        if not self._has_image:
            raise MissingFieldError("The form has no file field named image.")
        return self._image

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise TooManyPartsError(f"At most {MAX_PARTS} parts are taken.")
        self._headers = {}

    def _grow(self, buffer: bytearray, piece: bytes) -> None:
        buffer += piece
        if len(buffer) > MAX_PART_HEADER_BYTES:
            raise MalformedMultipartError("A part has too long a header.")

    def _end_header(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()
        if len(self._headers) > MAX_PART_HEADERS:
            raise MalformedMultipartError("A part has too many headers.")

    def _open_part(self) -> None:
        if b"content-transfer-encoding" in self._headers:
            raise MalformedMultipartError("Content-Transfer-Encoding is not decoded.")
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if kind != b"form-data" or not name:
            raise MalformedMultipartError("A part has no name.")
        is_file = b"filename" in options
        if (name == "image") != is_file:
            wanted = "file" if name == "image" else "text field"
            detail = f"{name[:40]!r} must be a {wanted}."
            raise (WrongFieldKindError if name in FIELD_NAMES else UnknownFieldError)(detail)
        if is_file:
            self._open_image(options[b"filename"].decode("utf-8", "replace"))
        else:
            self._open_text(name)

    def _open_image(self, filename: str) -> None:
        if self._has_image:
            raise DuplicateFieldError("The field image was sent twice.")
        self._has_image = True
        self._image.filename = filename
        self._target = self._image

    def _open_text(self, name: str) -> None:
        if name not in FIELD_NAMES:
            raise UnknownFieldError(f"{name[:40]!r} is not taken; fields: {_KNOWN}.")
        if name in self._texts:
            raise DuplicateFieldError(f"The field {name} was sent twice.")
        self._target = self._texts[name] = bytearray()

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if isinstance(self._target, ImagePart):
            self._target.feed(memoryview(data)[start:end])
        elif self._target is not None:
            self._target += data[start:end]
            if len(self._target) > MAX_FIELD_BYTES:
                raise FieldTooLargeError(f"A text field has at most {MAX_FIELD_BYTES} bytes.")

    def _end(self) -> None:
        self._is_finished = True


FIELD_NAMES: Final = frozenset({"image", "pipeline", "params", "cache", "timeout_s"})
_KNOWN: Final = ", ".join(sorted(FIELD_NAMES))


def _boundary(content_type: bytes) -> bytes:
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 0 < len(boundary) <= MAX_BOUNDARY_BYTES or not boundary.isascii():
        raise MalformedMultipartError("The Content-Type has no valid boundary.")
    return boundary
