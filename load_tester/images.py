"""The images to send: found once, read once, shared by every send."""

import os
import random
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
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

Known = TypeVar("Known")

_BOUNDARY = "conveyor-load-tester-5f2b7c1e9a604d38"
# Visible in ASCII, and no percent sign, which services take for the beginning of an encoded byte.
_PLAIN = re.compile(r"[ -$&-~]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """One image as it goes over the wire, encoded once."""

    file: str
    """Its path below the folder of images, with slashes: what no other image is called."""
    body: bytes
    headers: dict[str, str]

    @property
    def name(self) -> str:
        """The last part of its path, which is all that a service is told."""
        return last_part(self.file)


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


def load_uploads(
    paths: Sequence[Path], *, multipart: bool, folder: Path | None = None
) -> list[Upload]:
    """Read the files and encode each once, called by its path below `folder` where it is there.

    Raises ImagesError when one cannot be read.
    """
    encode = _encode_multipart if multipart else _encode_raw
    try:
        return [
            encode(name_of(path, folder), path.suffix.lower(), path.read_bytes()) for path in paths
        ]
    except OSError as exc:
        raise ImagesError(f"cannot read the image {exc.filename}: {exc.strerror}") from exc


def describe_pictures(paths: Sequence[Path], *, folder: Path | None = None) -> dict[str, Picture]:
    """Return the size of each image, by its name as an upload; pixels are not decoded.

    One that is no picture has no width: services must be sent such files, too.
    """
    return {name_of(path, folder): _describe(path) for path in paths}


def read_labels(folder: Path) -> dict[str, str]:
    """Return the true label of each image that `labels.tsv` names, or nothing without a table.

    The table names images by their paths below the folder, or by their last parts. That of a
    single image is the one beside it. Raises ImagesError when the file is there but is not such
    a table.
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
        labels = {row[file_column]: row[label_column] for row in rows[1:] if row != [""]}
    except (IndexError, ValueError) as exc:
        raise ImagesError(f"{path} is not a table with the columns file and label") from exc
    return match_images(labels, list_names(folder))


def list_names(folder: Path) -> list[str]:
    """Return the names of all images under a folder, as their uploads bear them."""
    return [name_of(path, folder) for path in find_images(folder)]


def match_images(known: Mapping[str, Known], images: Sequence[str]) -> dict[str, Known]:
    """Return what is known of each image; it may be known by its path or by its last part.

    A last part that several images share tells of none of them.
    """
    found = {}
    for image, names in known_as(images).items():
        name = next((name for name in names if name in known), None)
        if name is not None:
            found[image] = known[name]
    return found


def known_as(images: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return by what names each image can be meant: its path, and a last part of its own."""
    shared = Counter(map(last_part, images))
    return {
        image: (image, last_part(image)) if shared[last_part(image)] == 1 else (image,)
        for image in images
    }


def last_part(name: str) -> str:
    """Return a path without the folders before it."""
    return name.rpartition("/")[2]


def name_of(path: Path, folder: Path | None = None) -> str:
    """Return the path of a file below `folder` as text, or its last part when it is not there.

    What is no UTF-8 in it is spelt out, such as `\\xff`.
    """
    is_below = folder is not None and path != folder and path.is_relative_to(folder)
    name = path.relative_to(folder).as_posix() if folder is not None and is_below else path.name
    return os.fsencode(name).decode(errors="backslashreplace")


def encode_form(
    fields: Mapping[str, str], *, field: str, name: str, content_type: str, body: bytes
) -> tuple[bytes, dict[str, str]]:
    """Return a multipart form and its headers: the text fields, then the file as `field`.

    The file comes last, so that work can begin while it arrives.
    """
    head = "".join(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    )
    quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head += (
        f"--{_BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="{field}"; filename="{quoted}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    form = b"".join((head.encode(), body, f"\r\n--{_BOUNDARY}--\r\n".encode()))
    return form, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}


def _describe(path: Path) -> Picture:
    size_bytes = path.stat().st_size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an image of many pixels is not decoded here
            with Image.open(path) as image:
                return Picture(size_bytes=size_bytes, width=image.width, height=image.height)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Picture(size_bytes=size_bytes)


def _encode_raw(file: str, suffix: str, body: bytes) -> Upload:
    name = last_part(file)
    headers = {
        "Content-Type": CONTENT_TYPES[suffix],
        # A header carries ASCII only; other names travel percent-encoded.
        "X-Filename": name if _PLAIN.fullmatch(name) else quote(name),
    }
    return Upload(file=file, body=body, headers=headers)


def _encode_multipart(file: str, suffix: str, body: bytes) -> Upload:
    form, headers = encode_form(
        {}, field="image", name=last_part(file), content_type=CONTENT_TYPES[suffix], body=body
    )
    return Upload(file=file, body=form, headers=headers)
