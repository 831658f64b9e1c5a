"""The directories of a TIFF, one for each of its pictures.

Source: TIFF, Revision 6.0 (Aldus, 1992), sections 2 and 15.
"""

import struct
from typing import Final

from step_app.contract.limits import MAX_FRAMES
from step_app.contract.structure_errors import CorruptStructureError, TooManyFramesInFileError

_TILE_SIDES: Final = frozenset({0x142, 0x143})
_PART_BYTES: Final = frozenset({0x117, 0x145})
"""How many bytes each strip, or each tile, has in the file."""
_SIZES: Final = _TILE_SIDES | _PART_BYTES
_SHORT: Final = 3
_MAX_ENTRIES: Final = 4096
_MAX_VALUES: Final = 64 * 1024
_ENTRY_BYTES: Final = 12


def check_tiff(data: bytes) -> None:
    """Return when the directories of a TIFF end, and the first describes what can be in the file.

    Raises:
        CorruptStructureError: they go round in a circle, or the first has an impossible size.
        TooManyFramesInFileError: there are too many.
    """
    order = "<" if data[:2] == b"II" else ">"
    seen: set[int] = set()
    try:
        (offset,) = struct.unpack_from(f"{order}I", data, 4)
        _check_first(data, order, offset)
        while offset:
            if offset in seen:
                raise CorruptStructureError("The directories go round in a circle.")
            seen.add(offset)
            if len(seen) > MAX_FRAMES:
                raise TooManyFramesInFileError
            (entries,) = struct.unpack_from(f"{order}H", data, offset)
            (offset,) = struct.unpack_from(f"{order}I", data, offset + 2 + _ENTRY_BYTES * entries)
    except struct.error:
        return  # the file ends here: the decoder knows whether the first picture is whole


def _check_first(data: bytes, order: str, offset: int) -> None:
    (entries,) = struct.unpack_from(f"{order}H", data, offset)
    for index in range(min(entries, _MAX_ENTRIES)):
        entry = offset + 2 + _ENTRY_BYTES * index
        tag, kind, count = struct.unpack_from(f"{order}HHI", data, entry)
        if tag not in _SIZES:
            continue
        largest = max(_values(data, order, entry, kind, count), default=0)
        if tag in _TILE_SIDES and not largest:
            raise CorruptStructureError("A tile has no size.")
        if tag not in _TILE_SIDES and largest > len(data):
            raise CorruptStructureError("A part of the picture is longer than the file.")


def _values(data: bytes, order: str, entry: int, kind: int, count: int) -> tuple[int, ...]:
    """Return what an entry says: in itself when that fits, else where it points to."""
    letter = "H" if kind == _SHORT else "I"
    count = min(count, _MAX_VALUES)
    layout = f"{order}{count}{letter}"
    place = entry + 8
    if struct.calcsize(layout) > 4:  # noqa: PLR2004 - bytes of the field
        (place,) = struct.unpack_from(f"{order}I", data, place)
    return struct.unpack_from(layout, data, place)
