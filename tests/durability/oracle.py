"""What the right answer to an image is: the SHA-256 of its bytes and its params."""

import hashlib
import json
import random
import struct
import zlib
from collections.abc import Mapping
from typing import Any

PICTURE_SIDE = (8, 4)
"""Width and height of the pictures made: one grey pixel for each byte of the digest."""
_WIDTH = 256
_PNG = b"\x89PNG\r\n\x1a\n"


def answer_of(image: bytes, params: Mapping[str, Any]) -> str:
    """Return the answer of a step that gives data, hexadecimal."""
    canonical = json.dumps(params, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(image + canonical).hexdigest()


def picture_of(image: bytes, params: Mapping[str, Any]) -> bytes:
    """Return the picture that a step makes: a PNG whose pixels are the answer."""
    digest = bytes.fromhex(answer_of(image, params))
    return _png(*PICTURE_SIDE, pixels=digest)


def noise(seed: int, size_bytes: int) -> bytes:
    """Return a PNG of about this size, all of it noise; the same for the same arguments.

    Its ``label`` stands in it as text, so that its bytes can be recognized.
    """
    height = max(1, size_bytes // _WIDTH)
    pixels = random.Random(seed).randbytes(_WIDTH * height)
    return _png(_WIDTH, height, pixels=pixels, text=label(seed))


def label(seed: int) -> str:
    """Return what a picture of noise is called."""
    return f"noise {seed};"


def _png(width: int, height: int, *, pixels: bytes, text: str = "") -> bytes:
    """Return grey pixels as a PNG that is not compressed."""
    rows = b"".join(
        b"\0" + pixels[at : at + width] for at in range(0, width * height, width)
    )  # each row begins with the number of its filter: none
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b"")]
    if text:
        chunks.insert(1, (b"tEXt", b"Title\0" + text.encode()))
    return _PNG + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
