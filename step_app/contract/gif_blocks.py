"""The blocks of a GIF, walked from one to the next.

Source: Graphics Interchange Format, Version 89a (CompuServe, 1990). What a block holds is cut
into sub-blocks of up to 255 bytes; encoders fill all but the last of each.
"""

import re
from typing import Final

from step_app.contract.limits import MAX_FRAMES, MAX_PIXELS, MAX_SIDE
from step_app.contract.structure_errors import (
    CorruptStructureError,
    FrameTooLargeError,
    TooManyFramesInFileError,
)

MAX_STEPS: Final = 64 * 1024
"""Most blocks, and sub-blocks that are not full, that are looked at."""

_HEAD_BYTES: Final = 13
_FLAGS_AT: Final = 10
_EXTENSION: Final = 0x21
_IMAGE: Final = 0x2C
_TRAILER: Final = 0x3B
_PADDING: Final = 0
_FULL_SUB_BLOCKS: Final = re.compile(rb"(?:\xff[\x00-\xff]{255})*+")


def check_gif(data: bytes) -> None:
    """Return when a GIF has a frame, not too many of them, and an end.

    One that is cut into too many pieces to look at them all is taken when a frame was found:
    only the first is ever decoded.

    Raises:
        CorruptStructureError: there is no frame, no end, or something that is no block.
        FrameTooLargeError: the first frame is too large, whatever the screen is.
        TooManyFramesInFileError: there are too many frames.
    """
    if len(data) < _HEAD_BYTES:
        return  # whoever reads the size refuses it
    walk = _Walk(data)
    try:
        while walk.steps < MAX_STEPS:
            if not walk.advance():
                return
    except IndexError as exc:
        raise CorruptStructureError("The file ends without an end mark.") from exc
    if not walk.frames:
        raise CorruptStructureError("There is no frame among the first blocks.")


class _Walk:
    def __init__(self, data: bytes) -> None:
        self.frames = 0
        self.steps = 0
        self._data = data
        self._offset = _HEAD_BYTES + _table_bytes(data[_FLAGS_AT])

    def advance(self) -> bool:
        """Go behind the next block; False when it was the last."""
        self.steps += 1
        kind = self._data[self._offset]
        if kind == _EXTENSION:
            self._skip_sub_blocks(self._offset + 2)
        elif kind == _IMAGE:
            self._skip_frame()
        elif kind == _PADDING and self.frames:
            self._offset += 1  # some encoders write one before the end mark
        elif kind == _TRAILER and self.frames:
            return False
        else:
            raise CorruptStructureError("There is something that is no block.")
        return True

    def _skip_frame(self) -> None:
        self.frames += 1
        if self.frames > MAX_FRAMES:
            raise TooManyFramesInFileError
        left, top, width, height = (self._number(n) for n in (1, 3, 5, 7))
        right, bottom = left + width, top + height
        # Decoders make the screen as large as the first frame needs it.
        if self.frames == 1 and (right * bottom > MAX_PIXELS or max(right, bottom) > MAX_SIDE):
            raise FrameTooLargeError(f"The first frame reaches to {right} x {bottom} pixels.")
        flags = self._data[self._offset + 9]
        # Behind the descriptor and its colours lies one byte, then the pixels.
        self._skip_sub_blocks(self._offset + 11 + _table_bytes(flags))

    def _skip_sub_blocks(self, offset: int) -> None:
        while self.steps < MAX_STEPS:
            # Full ones are passed without Python's help: a long file has 80,000 of them.
            full = _FULL_SUB_BLOCKS.match(self._data, offset)
            offset = full.end() if full else offset
            length = self._data[offset]
            offset += 1 + length
            self.steps += 1
            if not length:
                break
        self._offset = offset

    def _number(self, place: int) -> int:
        low, high = self._data[self._offset + place], self._data[self._offset + place + 1]
        return low + (high << 8)


def _table_bytes(flags: int) -> int:
    """Return the size of the colour table that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
