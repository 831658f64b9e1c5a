"""JPEG files that are cut, odd, or made to cost time."""

import random
import struct

from PIL import Image, ImageChops

from tests.step_app.pictures import encode, photo, small_photo

START, END = b"\xff\xd8", b"\xff\xd9"
_YCCK = 2
_FRAMES = (b"\xff\xc0", b"\xff\xc2")


def plain(side: int = 64, **options: object) -> bytes:
    return encode(small_photo("koala", side), "JPEG", **options)


def cut(part: float) -> bytes:
    data = photo("koala")
    return data[: int(len(data) * part)]


def without_end() -> bytes:
    return photo("koala").removesuffix(END)


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_segments(*segments: bytes) -> bytes:
    """A picture with more segments at its beginning."""
    return START + b"".join(segments) + plain()[2:]


def with_segments_behind_frame(*segments: bytes) -> bytes:
    """The same segments, where a reader that only wants the size never gets to."""
    data = plain()
    scan = data.index(b"\xff\xda")
    return data[:scan] + b"".join(segments) + data[scan:]


def of_size(width: int, height: int) -> bytes:
    """A picture whose header claims another size."""
    data = bytearray(plain())
    struct.pack_into(">HH", data, _frame(data) + 5, height, width)
    return bytes(data)


def with_precision(bits: int) -> bytes:
    """A picture whose header claims samples of so many bits."""
    data = bytearray(plain())
    data[_frame(data) + 4] = bits
    return bytes(data)


def with_frame_kind(marker: int) -> bytes:
    """A picture that claims another kind of coding: 0xC3 lossless, 0xC9 arithmetic."""
    data = bytearray(plain())
    data[_frame(data) + 1] = marker
    return bytes(data)


def with_late_height() -> bytes:
    """A picture without a height, which a DNL segment behind the scan tells."""
    data = bytearray(plain())
    frame = _frame(data)
    (height,) = struct.unpack_from(">H", data, frame + 5)
    struct.pack_into(">H", data, frame + 5, 0)
    return bytes(data).removesuffix(END) + segment(0xDC, struct.pack(">H", height)) + END


def with_scans(scans: int, side: int = 64) -> bytes:
    """A progressive picture whose last scan comes again and again."""
    data = encode(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (scans - data.count(b"\xff\xda")) + END


def with_broken_restarts() -> bytes:
    """A picture whose restart markers come in another order."""
    data = plain(160, restart_marker_rows=1)
    return data.replace(b"\xff\xd1", b"\xff\xd5")


def subsampled_4_1_0() -> bytes:
    """A picture that claims a quarter of the colour in each direction."""
    data = bytearray(plain())
    data[_frame(data) + 11] = 0x42
    return bytes(data)


def cmyk(transform: int | None) -> bytes:
    """Four channels: plain (0), as YCCK (2), or without the marker that tells (None).

    All are inverted, as Adobe writes them. The encoder inverts what it is given.
    """
    picture = small_photo("koala").convert("CMYK")
    if transform == _YCCK:
        *inks, black = picture.split()
        colours = ImageChops.invert(Image.merge("RGB", inks).convert("YCbCr"))
        picture = Image.merge("CMYK", (*colours.split(), black))
    data = encode(picture, "JPEG", quality=95, subsampling=0)
    place = data.find(b"Adobe")
    if transform is None:
        start = place - 4
        (length,) = struct.unpack_from(">H", data, start + 2)
        return data[:start] + data[start + 2 + length :]
    return data[: place + 11] + bytes([transform]) + data[place + 12 :]


def exif(body: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + body)


def exif_loop() -> bytes:
    """EXIF whose directory is followed by itself."""
    return b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 3, 1, 1) + struct.pack("<I", 8)


def exif_bomb(entries: int) -> bytes:
    """EXIF of which every entry claims all of it."""
    table = b"".join(struct.pack("<HHII", 0x8000 + n, 7, 60_000, 8) for n in range(entries))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", entries) + table + bytes(4)


def mutated(data: bytes, seed: int) -> bytes:
    """A file with one other byte."""
    dice = random.Random(seed)
    changed = bytearray(data)
    changed[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(changed)


def _frame(data: bytes | bytearray) -> int:
    return min(place for place in (data.find(kind) for kind in _FRAMES) if place > 0)
