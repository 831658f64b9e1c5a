"""Chunks joined to one picture again, byte by byte: no pixel is decoded for it.

Raw chunks are rows in order, so their bytes follow each other. JPEG chunks are written with a
restart marker after each row of coding units and cut between such rows: the decoder starts anew
there, so that the coded data of all chunks, with the markers counted on, is the coded data of
the whole picture (ITU-T T.81, sections E.1.4 and F.1.1.5).
"""

import re
import struct
from collections.abc import Sequence
from typing import Final

from step_app.contract.pictures import RAW_MEDIA_TYPE, Picture
from step_app.contract.tiles import ROW_ALIGNMENT, is_aligned

_JPEG: Final = "image/jpeg"
_MAX_JPEG_HEIGHT: Final = 0xFFFF
_RAW_CHANNELS: Final = {b"P5": 1, b"P6": 3}
_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")
_FIRST_RESTART: Final = 0xD0
_RESTARTS: Final = 8
_START: Final = b"\xff\xd8"
_END: Final = b"\xff\xd9"
_START_OF_SCAN: Final = 0xDA
_START_OF_FRAME: Final = frozenset({0xC0, 0xC1})


class JoinError(ValueError):
    """Chunks that do not belong together: a replica is broken."""


def chunk_type(delivered: str, *, tiles: int, width: int, height: int) -> str:
    """Return the media type in which to ask for chunks.

    JPEG when that is what is delivered and every cut falls between rows of coding units; raw
    otherwise. Width and height are as the header says: rotated or not.
    """
    is_joinable = delivered == _JPEG and is_aligned(tiles, height=min(width, height))
    return _JPEG if is_joinable else RAW_MEDIA_TYPE


def join(chunks: Sequence[Picture]) -> Picture:
    """Return the picture whose rows these chunks are, in order.

    Raises:
        JoinError: they differ in width or format.
    """
    first = chunks[0]
    if any((c.width, c.media_type) != (first.width, first.media_type) for c in chunks):
        raise JoinError("the chunks differ in width or format")
    height = sum(chunk.height for chunk in chunks)
    body = _join_jpeg(chunks, height) if first.media_type == _JPEG else _join_raw(chunks, height)
    return Picture(first.media_type, first.width, height, body, first.data)


def _join_raw(chunks: Sequence[Picture], height: int) -> bytes:
    heads = [_raw_head(chunk) for chunk in chunks]
    if len({head[:2] for head in heads}) > 1:
        raise JoinError("some chunks are grey, some are not")
    head = heads[0][:2] + f"\n{chunks[0].width} {height}\n255\n".encode()
    rows = (memoryview(c.body)[len(h) :] for c, h in zip(chunks, heads, strict=True))
    return b"".join([head, *rows])


def _raw_head(chunk: Picture) -> bytes:
    head = chunk.body[:2] + f"\n{chunk.width} {chunk.height}\n255\n".encode()
    channels = _RAW_CHANNELS.get(chunk.body[:2])
    if chunk.media_type != RAW_MEDIA_TYPE or channels is None or not chunk.body.startswith(head):
        raise JoinError("a chunk is no raw picture")
    if len(chunk.body) != len(head) + chunk.width * chunk.height * channels:
        raise JoinError("a raw chunk has too few bytes, or too many")
    return head


def _join_jpeg(chunks: Sequence[Picture], height: int) -> bytes:
    if any(chunk.height % ROW_ALIGNMENT for chunk in chunks[:-1]) or height > _MAX_JPEG_HEIGHT:
        raise JoinError("a chunk ends within a row of coding units, or all are too high together")
    head, height_at, _ = _split_jpeg(chunks[0])
    markers = 0
    coded: list[bytes] = []
    for chunk in chunks:
        other, other_at, data = _split_jpeg(chunk)
        if other[:other_at] + other[other_at + 2 :] != head[:height_at] + head[height_at + 2 :]:
            raise JoinError("the chunks are coded differently")
        if coded:
            coded.append(_restart(markers))
            markers += 1
        data, count = _renumber(data, markers)
        markers += count
        coded.append(data)
    whole = head[:height_at] + struct.pack(">H", height) + head[height_at + 2 :]
    return b"".join([whole, *coded, _END])


def _split_jpeg(chunk: Picture) -> tuple[bytes, int, bytes]:
    """Return the headers, where in them the height is, and the coded data without its end."""
    body = chunk.body
    offset, height_at = len(_START), 0
    try:
        while True:
            marker = body[offset + 1]
            (length,) = struct.unpack_from(">H", body, offset + 2)
            if body[offset] != 0xFF:  # noqa: PLR2004 - every marker begins so
                raise JoinError("a chunk is no JPEG")
            if marker in _START_OF_FRAME:
                height_at = offset + 5
            offset += 2 + length
            if marker == _START_OF_SCAN:
                break
        size = struct.unpack_from(">HH", body, height_at)
    except (IndexError, struct.error) as exc:
        raise JoinError("a chunk is no JPEG") from exc
    if not height_at or not body.startswith(_START) or not body.endswith(_END):
        raise JoinError("a chunk is no JPEG of the kind that steps write")
    if size != (chunk.height, chunk.width):
        raise JoinError("a chunk has another size than was said")
    return body[:offset], height_at, body[offset : -len(_END)]


def _renumber(data: bytes, first: int) -> tuple[bytes, int]:
    """Count the restart markers of a chunk on from those before it."""
    numbers = iter(range(first, first + len(data)))
    renumbered, count = _RESTART.subn(lambda _: _restart(next(numbers)), data)
    return renumbered, count


def _restart(number: int) -> bytes:
    return bytes((0xFF, _FIRST_RESTART + number % _RESTARTS))
