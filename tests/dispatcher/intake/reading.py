"""Forms, read to their end however they are cut."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from dispatcher.errors import (
    RequestError,
)
from dispatcher.intake.multipart import FormReader, ImagePart
from tests.dispatcher.forms import CONTENT_TYPE, in_pieces

MAX_IMAGE_BYTES = 1000
HEADER = b"--frontier\r\nContent-Disposition: form-data; name="


@dataclass(frozen=True)
class Read:
    """A form as it was read."""

    filename: str
    data: bytes
    digest: str
    fields: Mapping[str, str]


def read(
    body: bytes, *, piece_bytes: int | None = None, content_type: bytes = CONTENT_TYPE
) -> Read:
    reader = FormReader(content_type, image=ImagePart(max_bytes=MAX_IMAGE_BYTES))
    for piece in in_pieces(body, piece_bytes or len(body)):
        reader.feed(piece)
    image = reader.finish()
    return Read(image.filename, b"".join(image.chunks), image.sha256.hexdigest(), reader.fields())


def refusal(body: bytes, *, content_type: bytes = CONTENT_TYPE) -> type[RequestError]:
    """How a form is refused, however it is cut."""
    kinds = set()
    for piece_bytes in (len(body), 7, 1) if len(body) < 10_000 else (len(body), 65_536):
        with pytest.raises(RequestError) as refused:
            read(body, piece_bytes=piece_bytes, content_type=content_type)
        kinds.add(refused.type)
    (kind,) = kinds
    return kind
