"""GIF, WebP, TIFF and BMP files: too many frames, circles, and data that inflate."""

import struct
import zlib

from PIL import Image

from tests.step_app.pictures import encode, small_photo

GIF_END = b"\x3b"
_GIF_PIXEL = b"\x02\x02\x44\x01\x00"
_LONG, _SHORT = 4, 3


def gif_head(width: int = 8, height: int = 8) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)


def gif_frame(width: int = 1, height: int = 1) -> bytes:
    return struct.pack("<BHHHHB", 0x2C, 0, 0, width, height, 0) + _GIF_PIXEL


def gif(frames: int, *, screen: tuple[int, int] = (1, 1), end: bytes = GIF_END) -> bytes:
    return gif_head(*screen) + gif_frame() * frames + end


def gif_of_extensions(count: int) -> bytes:
    """A GIF of nothing but comments."""
    return gif_head() + b"\x21\xfe\x01x\x00" * count


def gif_of_sub_blocks(count: int) -> bytes:
    """A GIF of one frame whose pixels come in sub-blocks of one byte."""
    frame = gif_frame().removesuffix(b"\0")
    return gif_head() + frame + b"\x01\x00" * count + b"\0" + GIF_END


def webp(frames: int) -> bytes:
    pictures = [Image.new("RGB", (16, 16), (n % 256, n // 256, 255)) for n in range(frames)]
    return encode(
        pictures[0], "WEBP", save_all=True, append_images=pictures[1:], lossless=True, method=0
    )


def webp_of_chunks(count: int) -> bytes:
    """A WebP with very many chunks that mean nothing."""
    data = encode(small_photo("koala", 64), "WEBP", exif=b"Exif\0\0" + bytes(16))
    body = data[12:] + b"junk\0\0\0\0" * count
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def tiff(
    entries: dict[int, int], *, pictures: int = 1, next_at: int | None = None, magic: int = 42
) -> bytes:
    """A TIFF of equal directories, whose last points at ``next_at`` or ends them."""
    size = 2 + 12 * len(entries) + 4
    data = struct.pack("<2sHI", b"II", magic, 8)
    for number in range(pictures):
        following = 8 + size * (number + 1)
        if number == pictures - 1:
            following = next_at or 0
        table = b"".join(struct.pack("<HHII", tag, _LONG, 1, entries[tag]) for tag in entries)
        data += struct.pack("<H", len(entries)) + table + struct.pack("<I", following)
    return data


def tiff_entries(side: int = 8, **changes: int) -> dict[int, int]:
    """The entries of a grey picture, which lies at the beginning of the file."""
    entries = {
        0x100: side,
        0x101: side,
        0x102: 8,
        0x103: 1,
        0x106: 1,
        0x111: 0,
        0x115: 1,
        0x116: side,
        0x117: side * side,
    }
    names = {"packing": 0x103, "strip_bytes": 0x117, "tile_width": 0x142, "tile_height": 0x143}
    return entries | {names[name]: value for name, value in changes.items()}


def tiff_bomb(side: int = 100) -> bytes:
    """Pixels of a small picture, deflated, that go on for 200 MB."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(200)) + packer.flush()
    entries = tiff_entries(side, packing=8, strip_bytes=len(packed))
    entries[0x111] = len(tiff(entries))
    return tiff(entries) + packed


def bmp(
    width: int,
    height: int,
    *,
    bits: int = 24,
    packing: int = 0,
    colours: int = 0,
    palette: int = 0,
    pixels: bytes | None = None,
) -> bytes:
    row = -(-max(0, width) * bits // 32) * 4
    body = bytes(range(256)) * (row * abs(height) // 256 + 1) if pixels is None else pixels
    start = 54 + 4 * palette
    head = struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start)
    info = struct.pack("<IiiHHI", 40, width, height, 1, bits, packing)
    return (
        head + info + struct.pack("<IiiII", len(body), 0, 0, colours, 0) + bytes(4 * palette) + body
    )
