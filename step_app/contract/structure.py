"""How a file is put together, before anything decodes it: frames, chunks, segments, directories.

A dispatcher and a replica ask the same questions here, so that they refuse the same files.
Decoders handle structure piece by piece and partly in Python, where a file of twenty mebibytes
that is cut into millions of pieces takes seconds, and in one case had not ended after 25. So
pieces are counted first, no pixel is looked at, and counting stops at a cap.

Sources: ITU-T T.81 (JPEG), the PNG specification of the W3C, the WebP container specification.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from step_app.contract.gif_blocks import check_gif
from step_app.contract.limits import MAX_FRAMES
from step_app.contract.structure_errors import CorruptStructureError, TooManyFramesInFileError
from step_app.contract.tiff_directories import check_tiff

MAX_JPEG_SEGMENTS: Final = 1000
"""Before the first scan; a photo with every kind of metadata has about three hundred."""
MAX_PNG_CHUNKS: Final = 20_000
"""An encoder that writes 8 KiB at a time needs an eighth of it for the longest file."""
MAX_WEBP_CHUNKS: Final = 1000
START_OF_SCAN: Final = 0xDA

_MAX_JPEG_GAP_BYTES: Final = 64 * 1024
_JPEG_MARKER: Final = re.compile(rb"\xff[^\xff]")
_NO_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_CHUNK_NAME: Final = re.compile(rb"\w{4}")
_HEADER_END: Final = 29
"""Where the checksum of a PNG's first chunk lies."""


def check_structure(data: bytes) -> None:
    """Return when the pieces of a file are as many, and as large, as they may be.

    A file that ends too early, and one of an unknown kind, is left to whoever decodes it.

    Raises:
        CorruptStructureError: its pieces contradict its format, or there are too many.
        TooManyFramesInFileError: it is an animation, or a document, of too many pictures.
    """
    for magic, check in _CHECKS.items():
        if data.startswith(magic):
            check(data)


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the marker of each segment up to the first scan, and where its length field lies.

    Raises:
        CorruptStructureError: there are too many, or one is too far away.
        IndexError, struct.error: the file ends before its first scan.
    """
    offset = 2
    for _ in range(MAX_JPEG_SEGMENTS):
        # Junk and any number of fill bytes before a marker are legal; to look on for ever is not.
        found = _JPEG_MARKER.search(data, offset, offset + _MAX_JPEG_GAP_BYTES)
        if found is None and offset + _MAX_JPEG_GAP_BYTES < len(data):
            raise CorruptStructureError("The next segment is too far away.")
        offset = len(data) if found is None else found.end() - 1
        marker = data[offset]
        offset += 1
        yield marker, offset
        if marker == START_OF_SCAN:
            return
        if marker not in _NO_LENGTH:
            offset += max(2, struct.unpack_from(">H", data, offset)[0])
    raise CorruptStructureError(f"No picture in the first {MAX_JPEG_SEGMENTS} segments.")


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the name of each chunk of a PNG but the last, and where its length field lies.

    Raises:
        CorruptStructureError: there are too many.
    """
    offset = 8
    for _ in range(MAX_PNG_CHUNKS):
        # Decoders go on as long as there is what may be the name of a chunk.
        found = _CHUNK_NAME.match(data, offset + 4)
        if found is None or found[0] == b"IEND":
            return
        yield found[0], offset
        offset += 12 + int.from_bytes(data[offset : offset + 4], "big")
    raise CorruptStructureError(f"The file has more than {MAX_PNG_CHUNKS} chunks.")


def _check_jpeg(data: bytes) -> None:
    try:
        for _ in jpeg_segments(data):
            pass
    except (IndexError, struct.error):
        return


def _check_png(data: bytes) -> None:
    if len(data) >= _HEADER_END + 4:
        (checksum,) = struct.unpack_from(">I", data, _HEADER_END)
        if zlib.crc32(data[12:_HEADER_END]) != checksum:
            raise CorruptStructureError("The checksum of the image header is wrong.")
    for _ in png_chunks(data):
        pass


def _check_webp(data: bytes) -> None:
    """Count the frames of a WebP; one that is no animation has none."""
    offset, frames = 12, 0
    for _ in range(MAX_WEBP_CHUNKS):
        if offset + 8 > len(data):
            return
        kind, length = struct.unpack_from("<4sI", data, offset)
        frames += kind == b"ANMF"
        if frames > MAX_FRAMES:
            raise TooManyFramesInFileError
        offset += 8 + length + length % 2
    raise CorruptStructureError(f"The file has more than {MAX_WEBP_CHUNKS} chunks.")


_CHECKS: Final[Mapping[bytes, Callable[[bytes], None]]] = {
    b"\xff\xd8\xff": _check_jpeg,
    b"\x89PNG\r\n\x1a\n": _check_png,
    b"RIFF": _check_webp,
    b"GIF8": check_gif,
    b"II*\x00": check_tiff,
    b"MM\x00*": check_tiff,
}
