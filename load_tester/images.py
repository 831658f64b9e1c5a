"""The images to send: found once, read once, shared by every send."""

import os
import random
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image, UnidentifiedImageError

from load_tester.errors import ImagesError
from load_tester.run import Picture

CONTENT_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
LABELS_FILE = "labels.tsv"

_BOUNDARY = "conveyor-load-tester-5f2b7c1e9a604d38"
# Visible in ASCII, and no percent sign, which services take for the beginning of an encoded byte.
_PLAIN = re.compile(r"[ -$&-~]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """One image as it goes over the wire, encoded once."""

    file: str
    body: bytes
    headers: dict[str, str]


def find_images(folder: Path) -> list[Path]:
    """Return every image file under `folder`, sorted, or the one image that it is itself.

    Raises ImagesError when there is none.
    """
    if folder.is_file() and folder.suffix.lower() in CONTENT_TYPES:
        return [folder]
    if folder.is_file():
        raise ImagesError(f"not an image file by its name: {folder}")
    if not folder.is_dir():
        raise ImagesError(f"no such folder: {folder}")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in CONTENT_TYPES and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        raise ImagesError(f"no images found in {folder}")
    return found


def pick_images(paths: Sequence[Path], *, count: int, seed: int) -> list[Path]:
    """Return the first `count` of the paths in the order that `seed` gives; fewer if fewer exist.

    A run that sends more images than this goes round in the same order.
    """
    shuffled = list(paths)
    random.Random(seed).shuffle(shuffled)
    return shuffled[:count]


def load_uploads(paths: Sequence[Path], *, multipart: bool) -> list[Upload]:
    """Read the files and encode each once; raises ImagesError when one cannot be read."""
    encode = _encode_multipart if multipart else _encode_raw
    try:
        return [encode(path, path.read_bytes()) for path in paths]
    except OSError as exc:
        raise ImagesError(f"cannot read the image {exc.filename}: {exc.strerror}") from exc


def describe_pictures(paths: Sequence[Path]) -> dict[str, Picture]:
    """Return the size of each image by its file name; pixels are not decoded.

    One that is no picture has no width: services must be sent such files, too.
    """
    return {name_of(path): _describe(path) for path in paths}


def read_labels(folder: Path) -> dict[str, str]:
    """Return the true label of each file named in `labels.tsv`, or nothing when there is none.

    The table of a single image is the one beside it. Raises ImagesError when the file is there
    but is not such a table.
    """
    path = (folder.parent if folder.is_file() else folder) / LABELS_FILE
    try:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        raise ImagesError(f"cannot read {path}: {exc}") from exc
    try:
        file_column, label_column = (rows[0].index(name) for name in ("file", "label"))
        return {row[file_column]: row[label_column] for row in rows[1:] if row != [""]}
    except (IndexError, ValueError) as exc:
        raise ImagesError(f"{path} is not a table with the columns file and label") from exc


def name_of(path: Path) -> str:
    """Return the name of a file as text; what is no UTF-8 in it is spelt out, such as `\\xff`."""
    return os.fsencode(path.name).decode(errors="backslashreplace")


def _describe(path: Path) -> Picture:
    size_bytes = path.stat().st_size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an image of many pixels is not decoded here
            with Image.open(path) as image:
                return Picture(size_bytes=size_bytes, width=image.width, height=image.height)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Picture(size_bytes=size_bytes)


def _encode_raw(path: Path, body: bytes) -> Upload:
    name = name_of(path)
    headers = {
        "Content-Type": CONTENT_TYPES[path.suffix.lower()],
        # A header carries ASCII only; other names travel percent-encoded.
        "X-Filename": name if _PLAIN.fullmatch(name) else quote(name),
    }
    return Upload(file=name, body=body, headers=headers)


def _encode_multipart(path: Path, body: bytes) -> Upload:
    name = name_of(path).replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = (
        f"--{_BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="image"; filename="{name}"\r\n'
        f"Content-Type: {CONTENT_TYPES[path.suffix.lower()]}\r\n\r\n"
    )
    whole = b"".join((head.encode(), body, f"\r\n--{_BOUNDARY}--\r\n".encode()))
    headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    return Upload(file=name_of(path), body=whole, headers=headers)
