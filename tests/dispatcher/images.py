"""Image files by their headers alone: enough for whoever looks at structure and not at pixels."""

import struct
import zlib

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def png(width: int = 8, height: int = 8, *, tail: bytes = b"") -> bytes:
    header = struct.pack(">4sII5x", b"IHDR", width, height)
    checksum = struct.pack(">I", zlib.crc32(header))
    return PNG_MAGIC + struct.pack(">I", 13) + header + checksum + tail


def jpeg(
    width: int = 8, height: int = 8, *, before: bytes = b"\xff\xe0\x00\x04JF", marker: int = 0xC0
) -> bytes:
    frame = struct.pack(">BBHBHHB", 0xFF, marker, 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8" + before + frame


def gif(width: int = 8, height: int = 8, *, version: bytes = b"GIF89a") -> bytes:
    frame = struct.pack("<BHHHHB", 0x2C, 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return version + struct.pack("<HH", width, height) + bytes(3) + frame + b"\x3b"


def bmp(width: int = 8, height: int = 8, *, bits: int = 24) -> bytes:
    return b"BM" + bytes(12) + struct.pack("<IiiHH", 40, width, height, 1, bits) + bytes(24)


def os2_bmp(width: int = 8, height: int = 8) -> bytes:
    return b"BM" + bytes(12) + struct.pack("<IHHHH", 12, width, height, 1, 24)


def webp(width: int = 8, height: int = 8, *, kind: bytes = b"VP8 ") -> bytes:
    if kind == b"VP8 ":
        chunk = bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    elif kind == b"VP8L":
        chunk = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
    else:
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        chunk = bytes(4) + sides
    return b"RIFF" + bytes(4) + b"WEBP" + kind + struct.pack("<I", len(chunk)) + chunk


def tiff(width: int = 8, height: int = 8, *, order: str = "<", offset: int = 8) -> bytes:
    magic = b"II*\x00" if order == "<" else b"MM\x00*"
    directory = struct.pack(f"{order}H", 3)
    for tag, value in ((0x100, width), (0x101, height), (0x102, 8)):
        directory += struct.pack(f"{order}HHII", tag, 4, 1, value)
    head = magic + struct.pack(f"{order}I", offset)
    return head + bytes(offset - len(head)) + directory


EVERY_KIND = {
    "image/jpeg": jpeg(),
    "image/png": png(),
    "image/webp": webp(),
    "image/gif": gif(),
    "image/bmp": bmp(),
    "image/tiff": tiff(),
}
