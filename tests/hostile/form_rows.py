"""Broken and odd frames of forms: rows C34 to C40, C45 to C47."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from tests.dispatcher.forms import BOUNDARY, CONTENT_TYPE, Part, form, text
from tests.hostile import jpegs
from tests.hostile.rows import FormRow

MULTIPART: Final = b"multipart/form-data"
MALFORMED: Final = (400, "malformed_multipart")
BAD_REQUEST: Final = (400, "invalid_request")
NO_IMAGE: Final = (422, "missing_field")
TOO_LONG: Final = (413, "payload_too_large")
MEDIA_TYPE: Final = (415, "unsupported_media_type")
NOT_AN_IMAGE: Final = (415, "unsupported_image_type")
_MEGABYTE: Final = 1_000_000
_LENGTH_SAYS_IT: Final = "a length that is announced is refused before the body is read"
_DELIMITER: Final = b"--" + BOUNDARY.encode()


def image_part(**changes: object) -> Part:
    return Part(**{"filename": "a.jpg", "data": jpegs.plain(), **changes})  # type: ignore[arg-type]


def good_form() -> bytes:
    """A form that is taken as it is."""
    return form(image_part())


def _whole(make: Callable[[], bytes]) -> Callable[[], Sequence[bytes]]:
    return lambda: [make()]


def _row(
    id: str,
    what: str,
    body: Callable[[], bytes] = good_form,
    *,
    content_type: bytes = CONTENT_TYPE,
    answer: tuple[int, str] = MALFORMED,
    process: tuple[int, str] | None = None,
    replica: tuple[int, str] | None = None,
    why: str = "",
) -> FormRow:
    return FormRow(
        id=id,
        what=what,
        content_type=content_type,
        body=_whole(body),
        answer=answer,
        process=process,
        replica=replica,
        corrected=why,
    )


def _long(
    id: str,
    what: str,
    pieces: Callable[[], Iterator[bytes]],
    *,
    content_type: bytes = CONTENT_TYPE,
    answer: tuple[int, str] = MALFORMED,
    process: tuple[int, str] | None = None,
    replica: tuple[int, str] | None = None,
    unannounced: tuple[int, str] | None = None,
    why: str = "",
) -> FormRow:
    return FormRow(
        id=id,
        what=what,
        content_type=content_type,
        body=lambda: list(pieces()),
        answer=answer,
        process=process,
        replica=replica,
        unannounced=unannounced,
        corrected=why,
    )


def _replaced(old: bytes, new: bytes) -> Callable[[], bytes]:
    return lambda: good_form().replace(old, new)


def _megabytes(count: int, *, before: bytes = b"", after: bytes = b"") -> Iterator[bytes]:
    piece = b"x" * _MEGABYTE
    yield before
    for _ in range(count):
        yield piece
    yield after


_BOUNDARIES: Final = [
    _row("C34", f"boundary: {what}", content_type=MULTIPART + parameters, replica=replica)
    for what, parameters, replica in (
        ("none", b"", BAD_REQUEST),
        ("empty", b"; boundary=", BAD_REQUEST),
        ("of 71 bytes", b"; boundary=" + b"b" * 71, BAD_REQUEST),
        ("of 10,000 bytes", b"; boundary=" + b"b" * 10_000, BAD_REQUEST),
        ("quoted, with a space", b'; boundary="a b"', BAD_REQUEST),
        ("not ASCII", b"; boundary=gr\xe4ns", BAD_REQUEST),
        ("a run of backslashes", b'; boundary="' + b"\\" * 10_000, BAD_REQUEST),
        ("there twice", b"; boundary=a; boundary=b", BAD_REQUEST),
    )
]
_FRAMES: Final = [
    _row(
        "C35",
        "boundary that never comes",
        _replaced(BOUNDARY.encode(), b"another"),
        replica=BAD_REQUEST,
    ),
    _row("C35", "no end", lambda: good_form().removesuffix(b"--\r\n"), replica=NO_IMAGE),
    _row("C35", "end within a header", lambda: good_form()[:60], replica=NO_IMAGE),
    _row("C35", "LF for CRLF", _replaced(b"\r\n", b"\n"), replica=BAD_REQUEST),
    _row(
        "C35",
        "an empty line behind the boundary",
        _replaced(_DELIMITER + b"\r\n", _DELIMITER + b"\r\n\r\n"),
        replica=BAD_REQUEST,
    ),
    _row("C35", "only line ends", lambda: b"\r\n" * 500_000, replica=NO_IMAGE),
    _long(
        "C36",
        "20 MB before the form",
        lambda: _megabytes(20, after=b"\r\n" + good_form()),
        replica=BAD_REQUEST,
    ),
    _long("C36", "20 MB behind the form", lambda: _megabytes(20, before=good_form())),
    _row(
        "C37",
        "a part header of 10 MB",
        lambda: form(image_part(headers=["X-A: " + "x" * 10_000_000])),
        replica=BAD_REQUEST,
    ),
    _row(
        "C37",
        "100,000 part headers",
        lambda: form(image_part(headers=["X-A: b"] * 100_000)),
        replica=BAD_REQUEST,
    ),
    _row(
        "C38",
        "10,000 text fields",
        lambda: form(*[text("more", "")] * 10_000, image_part()),
        answer=(413, "too_many_parts"),
        process=(400, "unknown_field"),
        replica=BAD_REQUEST,
        why="a batch refuses at the first field that it does not know",
    ),
    _row(
        "C38",
        "10,000 empty files",
        lambda: form(*[Part(name="files", filename="")] * 10_000),
        answer=(413, "too_many_parts"),
        process=(413, "too_many_parts"),
        replica=BAD_REQUEST,
    ),
    *(
        _row(
            "C38",
            f"a form within the form: {name}",
            lambda name=name: form(  # type: ignore[misc] # bound now
                image_part(name=name, headers=["Content-Type: multipart/mixed; boundary=inner"])
            ),
        )
        for name in ("image", "files")
    ),
    _long(
        "C39",
        "a text of 100 MB",
        lambda: _megabytes(
            100, before=_DELIMITER + b'\r\nContent-Disposition: form-data; name="params"\r\n\r\n'
        ),
        answer=TOO_LONG,
        process=(400, "unknown_field"),
        replica=BAD_REQUEST,
        unannounced=(413, "field_too_large"),
        why=_LENGTH_SAYS_IT,
    ),
    _long(
        "C39",
        "a text of 20 MB",
        lambda: _megabytes(
            20, before=_DELIMITER + b'\r\nContent-Disposition: form-data; name="params"\r\n\r\n'
        ),
        answer=(413, "field_too_large"),
        process=(400, "unknown_field"),
        replica=BAD_REQUEST,
    ),
    _long(
        "C39",
        "actions of 100 MB",
        lambda: _megabytes(
            100, before=_DELIMITER + b'\r\nContent-Disposition: form-data; name="actions"\r\n\r\n'
        ),
        answer=TOO_LONG,
        process=(413, "field_too_large"),
        unannounced=(413, "field_too_large"),
        why=_LENGTH_SAYS_IT,
    ),
]
_URLENCODED: Final = b"application/x-www-form-urlencoded"
_KINDS: Final = [
    _row(
        "C40",
        f"urlencoded: {what}",
        body,
        content_type=_URLENCODED,
        answer=MEDIA_TYPE,
        replica=NOT_AN_IMAGE,
    )
    for what, body in (
        ("a million fields", lambda: b"a=1&" * 1_000_000),
        ("a million semicolons", lambda: b"a;" * 1_000_000),
    )
]
_OTHER_KINDS: Final = [
    _long(
        "C40",
        "urlencoded: a value of 100 MB",
        lambda: _megabytes(100, before=b"a="),
        content_type=_URLENCODED,
        answer=MEDIA_TYPE,
        replica=TOO_LONG,
    ),
    _row(
        "C47",
        "JSON by its name, an image by its bytes",
        jpegs.plain,
        content_type=b"application/json",
        answer=MEDIA_TYPE,
    ),
    _row("C47", "no part at all", form, answer=NO_IMAGE),
    *(
        _row(
            "C45",
            f"a part in {encoding}",
            lambda encoding=encoding: form(  # type: ignore[misc] # bound now
                image_part(headers=[f"Content-Transfer-Encoding: {encoding}"])
            ),
        )
        for encoding in ("base64", "quoted-printable")
    ),
]
_TWICE: Final = FormRow(
    id="C46",
    what="two Content-Types with two boundaries",
    content_type=CONTENT_TYPE,
    headers=((b"Content-Type", MULTIPART + b"; boundary=other"),),
    body=partial(list, [good_form()]),
)
FRAME_ROWS: Final[Sequence[FormRow]] = [*_BOUNDARIES, *_FRAMES, *_KINDS, *_OTHER_KINDS, _TWICE]
