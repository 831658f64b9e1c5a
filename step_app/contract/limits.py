"""Limits that a dispatcher and a replica both keep: headers can lie."""

from typing import Final

MAX_IMAGE_BYTES: Final = 20 * 1024 * 1024
MAX_PIXELS: Final = 50_000_000
"""Of a picture sent, and of one made."""
MAX_SIDE: Final = 20_000
"""Longest side of an image, in pixels."""
MAX_FRAMES: Final = 60
"""Most pictures of an animation or a document, of which only the first is used."""
MAX_REPLY_BYTES: Final = 256 * 1024 * 1024
"""Most bytes of one answer that a dispatcher reads before it calls the replica broken."""
MAX_PIECES: Final = 1024
"""Most pictures that one picture may be split into."""
MAX_KEPT_BYTES: Final = 16 * 1024 * 1024
"""Pixels of an intermediate picture that is worth keeping for another chain."""

EXIT_CONFIGURATION: Final = 78
"""Exit status of a replica whose configuration can never work (``EX_CONFIG`` of sysexits)."""
