"""Names under which the files of a batch can be fetched and kept on any file system.

Each file of a batch gets a *stem* that no other has, whatever the client called it; the picture
sent and those made of it are named after it::

    koala.JPG ──▶ sent/koala.JPG   made/koala-piece-01.png, made/koala-piece-02.png
    koala.png ──▶ sent/koala-2.png made/koala-2-piece-01.png, …

So names depend on nothing but the files sent and never change while a batch is worked on.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from step_app.contract.pictures import EXTENSIONS

MAX_STEM_CHARS: Final = 80
"""With the number of a piece and an extension a name stays below 100."""
MAX_STEM_BYTES: Final = 200
"""As UTF-8; most file systems take 255 for the whole name."""
_NAMELESS: Final = "image"
_KNOWN_EXTENSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    **{media_type: (extension,) for media_type, extension in EXTENSIONS.items()},
    "image/jpeg": ("jpg", "jpeg", "jpe", "jfif"),
    "image/tiff": ("tiff", "tif"),
    "image/gif": ("gif",),
}
"""By media type; the first is given where the client's own is another."""
_IMAGE_EXTENSION: Final = re.compile(
    rf"\.({'|'.join(e for several in _KNOWN_EXTENSIONS.values() for e in several)})$",
    re.IGNORECASE,
)
_PLAIN: Final = re.compile(r"[a-zA-Z0-9_-]{1,40}")
_PIECE_SUFFIXES: Final = re.compile(r"(-piece-\d+)+$")
_WINDOWS_DEVICE: Final = re.compile(
    r"(CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9]|CONIN\$|CONOUT\$) *(\.|$)", re.IGNORECASE
)


def stems_of(filenames: Iterable[str]) -> list[str]:
    """Return a stem for each file name, in their order, all different.

    They differ in more than case and in more than the suffix of a piece, so that no name made
    of one can be the name made of another.
    """
    taken: set[str] = set()
    next_number: dict[str, int] = {}
    stems = []
    for filename in filenames:
        plain = stem = safe_stem(filename)
        number = next_number.get(stem_key(plain), 2)
        while stem_key(stem) in taken:
            stem = f"{_cut(plain, spare=len(str(number)) + 1)}-{number}"
            number += 1
        next_number[stem_key(plain)] = number
        taken.add(stem_key(stem))
        stems.append(stem)
    return stems


def stem_key(stem: str) -> str:
    """Return what a stem has in common with those that might give the same names."""
    if _PLAIN.fullmatch(stem):
        folded = stem.casefold()
    else:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", stem).casefold())
    return _PIECE_SUFFIXES.sub("", folded)


def safe_stem(filename: str) -> str:
    """Return a client's file name without its folder and image extension, fit for any system.

    Letters, marks and digits of any language stay, and dot, dash, underscore and inner space.
    """
    last = re.split(r"[/\\]", filename)[-1]
    stem = _IMAGE_EXTENSION.sub("", last.strip())
    if not _PLAIN.fullmatch(stem):
        composed = unicodedata.normalize("NFC", stem)
        stem = "".join(c if _is_safe(c) else "_" for c in composed)
        stem = _cut(" ".join(stem.split()).strip(" ."))
    if _WINDOWS_DEVICE.match(unicodedata.normalize("NFKC", stem)):
        stem = f"_{stem}"
    return stem or _NAMELESS


def sent_name(stem: str, *, filename: str, media_type: str) -> str:
    """Return the name of a picture that was sent; its extension is one of its real format."""
    fitting = _KNOWN_EXTENSIONS.get(media_type, ("bin",))
    own = filename.strip().rpartition(".")[2]
    return f"{stem}.{own if own.lower() in fitting else fitting[0]}"


def made_names(stem: str, media_types: Sequence[str], *, is_split: bool) -> list[str]:
    """Return the names of the pictures that were made of one file, in their order."""
    extensions = [_KNOWN_EXTENSIONS.get(media_type, ("bin",))[0] for media_type in media_types]
    if not is_split and len(extensions) == 1:
        return [f"{stem}.{extensions[0]}"]
    digits = max(2, len(str(len(extensions))))
    return [
        f"{stem}-piece-{number:0{digits}}.{extension}"
        for number, extension in enumerate(extensions, start=1)
    ]


def _is_safe(character: str) -> bool:
    return character in "._- " or unicodedata.category(character)[0] in "LMN"


def _cut(stem: str, *, spare: int = 0) -> str:
    """Return as much of a stem as may be, with room for so many characters more."""
    cut = stem[: MAX_STEM_CHARS - spare].encode()[: MAX_STEM_BYTES - spare]
    return cut.decode(errors="ignore").rstrip(" .")
