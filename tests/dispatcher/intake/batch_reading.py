"""Forms of several files, read to their end however they are cut."""

import json
from dataclasses import dataclass

import pytest

from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.errors import RequestError
from dispatcher.intake.batch_form import BatchForm, read_batch_form
from tests.dispatcher.forms import CONTENT_TYPE, Body, Part, in_pieces, text
from tests.dispatcher.images import png

BLUR = {"operations": [["blur", "median"]]}
ACTIONS = text("actions", json.dumps(BLUR))


@dataclass(frozen=True)
class Read:
    """A form as it was read, and what is kept of it."""

    form: BatchForm
    blobs: MemoryBlobStore


def file(seed: int = 0, *, filename: str | None = None, name: str = "files") -> Part:
    """A file field with an image of its own."""
    data = png(tail=b"pixels %d" % seed)
    return Part(name=name, filename=f"{seed}.png" if filename is None else filename, data=data)


async def read(
    body: bytes, *, piece_bytes: int | None = None, content_type: bytes = CONTENT_TYPE
) -> Read:
    blobs = MemoryBlobStore()
    pieces = in_pieces(body, piece_bytes or len(body))
    headers = {b"content-type": content_type}
    form = await read_batch_form(headers, Body(*pieces).receive, blobs=blobs)
    return Read(form, blobs)


async def refusal(body: bytes, *, content_type: bytes = CONTENT_TYPE) -> RequestError:
    """How a form is refused, however it is cut; nothing of it is kept."""
    refusals = []
    for piece_bytes in (len(body), 7, 1) if len(body) < 10_000 else (len(body), 65_536):
        blobs = MemoryBlobStore()
        receive = Body(*in_pieces(body, piece_bytes)).receive
        with pytest.raises(RequestError) as refused:
            await read_batch_form({b"content-type": content_type}, receive, blobs=blobs)
        assert blobs.total_bytes() == 0
        refusals.append(refused.value)
    assert len({type(error) for error in refusals}) == 1
    return refusals[0]
