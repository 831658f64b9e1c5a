"""PNG files that lie, inflate, or are cut into too many pieces."""

import random
import struct
import zlib
from io import BytesIO

from PIL import Image

from tests.step_app.pictures import (
    GREY,
    PNG_MAGIC,
    encode,
    png_chunk,
    png_header,
    small_photo,
)

END = png_chunk(b"IEND", b"")


def plain(side: int = 64) -> bytes:
    return encode(small_photo("koala", side), "PNG")


def header_only(width: int, height: int) -> bytes:
    """A PNG of one bit a pixel whose data are zeros, and far too few."""
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return png_header(width, height, depth=1, colour=GREY) + pixels + END


def black(width: int, height: int) -> bytes:
    """A whole PNG of one bit a pixel."""
    return encode(Image.new("1", (width, height)), "PNG")


def cut_within_pixels() -> bytes:
    data = plain()
    return data[: len(data) // 2]


def with_wrong_checksum(chunk: bytes) -> bytes:
    """A PNG of which one chunk has another checksum than its bytes."""
    data = bytearray(plain())
    place = data.index(chunk)
    (length,) = struct.unpack_from(">I", data, place - 4)
    data[place + 4 + length] ^= 0xFF
    return bytes(data)


def pixel_bomb() -> bytes:
    """100 x 100 pixels by its header, 200 MB by its data."""
    bomb = png_chunk(b"IDAT", _deflated_zeros(200_000_000))
    return png_header(100, 100, colour=GREY) + bomb + END


def chunk_bomb(kind: bytes) -> bytes:
    """A small picture with a text or profile that inflates to 200 MB."""
    packed = _deflated_zeros(200_000_000)
    body = {
        b"zTXt": b"key\0\0" + packed,
        b"iTXt": b"key\0\1\0\0\0" + packed,
        b"iCCP": b"key\0\0" + packed,
    }[kind]
    data = plain()
    return data[:33] + png_chunk(kind, body) + data[33:]


def many_chunks(kind: bytes, body: bytes, count: int) -> bytes:
    """A small picture behind very many chunks."""
    data = plain()
    return data[:33] + png_chunk(kind, body) * count + data[33:]


def noise_behind_magic(seed: int) -> bytes:
    return PNG_MAGIC + random.Random(seed).randbytes(500)


def animated(frames: int) -> bytes:
    """An APNG: decoders that know nothing of animations see its first frame."""
    buffer = BytesIO()
    pictures = [Image.new("RGB", (16, 16), (n % 256, 0, 255)) for n in range(frames)]
    pictures[0].save(buffer, "PNG", save_all=True, append_images=pictures[1:])
    return buffer.getvalue()


def _deflated_zeros(count: int) -> bytes:
    """Deflate zeros without ever having them all."""
    packer = zlib.compressobj(1)
    packed = [packer.compress(bytes(1_000_000)) for _ in range(count // 1_000_000)]
    return b"".join([*packed, packer.flush()])
