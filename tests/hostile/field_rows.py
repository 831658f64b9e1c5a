"""Fields that are doubled, misnamed, misplaced, or hold what no parser should choke on.

Rows C41, C42, C44 and C48.
"""

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from tests.dispatcher.forms import CONTENT_TYPE, Part, form, text
from tests.hostile.form_rows import MALFORMED, NO_IMAGE, image_part
from tests.hostile.rows import FormRow

DUPLICATE: Final = (400, "duplicate_field")
UNKNOWN: Final = (400, "unknown_field")
WRONG_KIND: Final = (422, "wrong_field_kind")
INVALID_PARAMS: Final = (422, "invalid_params")
TAKEN: Final = (202, "")


def _row(
    id: str,
    what: str,
    make: Callable[[], bytes],
    answer: tuple[int, str],
    *,
    process: tuple[int, str] | None = UNKNOWN,
    why: str = "",
) -> FormRow:
    return FormRow(
        id=id,
        what=what,
        content_type=CONTENT_TYPE,
        body=lambda: [make()],
        answer=answer,
        process=process,
        corrected=why,
    )


def _with_disposition(disposition: bytes) -> Callable[[], bytes]:
    return lambda: form(image_part(disposition=disposition))


_KINDS: Final = [
    _row(
        "C41",
        "two images",
        lambda: form(image_part(), image_part(filename="b.jpg")),
        DUPLICATE,
        process=NO_IMAGE,
        why="a batch has many files; it lacks the actions",
    ),
    _row(
        "C41", "params twice", lambda: form(image_part(), _params("{}"), _params("{}")), DUPLICATE
    ),
    _row(
        "C41",
        "an image that is text",
        lambda: form(text("image", "x")),
        WRONG_KIND,
        process=WRONG_KIND,
    ),
    _row("C41", "params in a file", lambda: form(image_part(name="params")), WRONG_KIND),
    _row(
        "C44",
        "an image without a file name",
        lambda: form(image_part(filename=None)),
        WRONG_KIND,
        process=WRONG_KIND,
        why="a part named image without a file name is a text: the wrong kind, and not missing",
    ),
    _row("C44", "a part without a name", _with_disposition(b"form-data; filename=a.jpg"), NO_IMAGE),
    _row("C44", "an unknown part", lambda: form(image_part(), text("more", "x")), UNKNOWN),
    _row("C44", "an unknown file", lambda: form(image_part(), image_part(name="more")), UNKNOWN),
    _row("C44", "no image", lambda: form(_params("{}")), NO_IMAGE),
]
_NAMES: Final = [
    _row(
        "C42",
        f"two file names: {what}",
        _with_disposition(b'form-data; name="image"; ' + names),
        TAKEN,
        why="the plain value wins",
    )
    for what, names in (
        ("extended behind plain", b"filename=\"good.jpg\"; filename*=UTF-8''evil.jpg"),
        ("extended before plain", b"filename*=UTF-8''evil.jpg; filename=\"good.jpg\""),
        ("continued", b'filename="good.jpg"; filename*0="ev"; filename*1="il"'),
    )
]
_NAMES.append(
    _row(
        "C42",
        "a field name in pieces",
        _with_disposition(b"form-data; name*0=im; name*1=age; filename=a.jpg"),
        NO_IMAGE,
    )
)


def _params(value: str | bytes) -> Part:
    return text("params", value)


_VALUES: Final[Sequence[tuple[str, Callable[[], str | bytes]]]] = [
    ("no JSON", lambda: "{"),
    ("10,000 levels", lambda: '{"0":' * 10_000 + "1" + "}" * 10_000),
    ("10,000 levels of lists", lambda: "[" * 10_000 + "]" * 10_000),
    ("5,000 keys", lambda: json.dumps({f"k{n}": 1 for n in range(5_000)})),
    ("a number beyond floats", lambda: '{"0": {"top_k": 1e400}}'),
    ("infinity", lambda: '{"0": {"top_k": Infinity}}'),
    ("NaN", lambda: '{"0": {"top_k": NaN}}'),
    ("a key twice", lambda: '{"0": {"top_k": 1}, "0": {"top_k": 2}}'),
    ("__proto__", lambda: '{"__proto__": {"top_k": 1}}'),
    ("an integer of 60,000 digits", lambda: '{"0": {"top_k": ' + "9" * 60_000 + "}}"),
    ("no UTF-8", lambda: b'{"caf\xe9": {}}'),
    ("a byte order mark", lambda: b'\xef\xbb\xbf{"0": {"top_k": 1}}'),
    ("a lone surrogate", lambda: '{"\\ud800": {"top_k": 1}}'),
    ("NUL", lambda: '{"0\\u0000": {"top_k": 1}}'),
    ("a script", lambda: '{"<script>alert(1)</script>": {"top_k": 1}}'),
    ("a list", lambda: "[]"),
    ("null", lambda: "null"),
    ("another type", lambda: '{"0": {"top_k": "5"}}'),
]


@cache
def _million_keys() -> str:
    return "{" + ",".join([f'"k{n}":1' for n in range(1_000_000)]) + "}"


def _with_params(value: Callable[[], str | bytes]) -> Callable[[], bytes]:
    return lambda: form(image_part(), _params(value()))


_PARAMS: Final = [
    *(
        _row("C48", f"params: {what}", _with_params(value), INVALID_PARAMS)
        for what, value in _VALUES
    ),
    _row(
        "C48",
        "params: a million keys",
        _with_params(_million_keys),
        (413, "field_too_large"),
        why="the text is longer than a field may be",
    ),
    _row(
        "C48",
        "a pipeline that is no UTF-8",
        lambda: form(image_part(), text("pipeline", b"caf\xe9")),
        MALFORMED,
    ),
]
FIELD_ROWS: Final[Sequence[FormRow]] = [*_KINDS, *_NAMES, *_PARAMS]
