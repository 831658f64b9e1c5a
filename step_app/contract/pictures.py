"""What an image step gives: pictures with their times, as one frame inside an item's reply.

Between two stages a picture travels as binary PNM (P5 grey, P6 colour): pixels with a header of
a few bytes, so that a chain loses nothing to compression and spends no time on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from step_app.contract.frames import MALFORMED, ContractError, Payload, pack_frame, split_frame

PICTURES_MEDIA_TYPE: Final = "application/vnd.conveyor.pictures"
RAW_MEDIA_TYPE: Final = "image/x-portable-anymap"
MEDIA_TYPES: Final[Mapping[str, str]] = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
}
"""Formats that a picture can be delivered in; also their file name extensions."""
EXTENSIONS: Final[Mapping[str, str]] = {
    **{media_type: name for name, media_type in MEDIA_TYPES.items()},
    RAW_MEDIA_TYPE: "pnm",
}


def delivered_as(media_type: str) -> str:
    """Return the media type that a picture made from one of this type is delivered in.

    It is the input's own, except that a GIF's palette cannot hold every result: PNG can.
    """
    return media_type if media_type in MEDIA_TYPES.values() else MEDIA_TYPES["png"]


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture."""

    media_type: str
    width: int
    height: int
    body: bytes
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the steps have to say of it, such as the timings of grayscale."""


@dataclass(frozen=True, slots=True)
class PictureReply:
    """The result of one item."""

    pictures: Sequence[Picture]
    """One, or the pieces of a split in reading order."""
    timings_s: Sequence[float]
    """Time of each operation; the first includes decoding, the last encoding."""
    kept: Sequence[Sequence[Picture]] = ()
    """The raw pictures after each operation but the last, where they were asked for; an empty
    entry where they are too large to be worth it."""


def encode_pictures(reply: PictureReply) -> list[bytes]:
    """Return the frame of a result, in parts that follow each other."""
    groups = [reply.pictures, *reply.kept]
    header = {
        "groups": [len(group) for group in groups],
        "timings_s": list(reply.timings_s),
        "items": [
            {
                "media_type": picture.media_type,
                "width": picture.width,
                "height": picture.height,
                "size": len(picture.body),
                "data": dict(picture.data),
            }
            for group in groups
            for picture in group
        ],
    }
    return [pack_frame(header), *(picture.body for group in groups for picture in group)]


def decode_pictures(frame: Payload) -> PictureReply:
    """Parse the frame of a result.

    Raises:
        ContractError: the frame is malformed, or holds no picture.
    """
    header, payloads = split_frame(frame)
    try:
        pictures = [
            Picture(
                media_type=str(entry["media_type"]),
                width=int(entry["width"]),
                height=int(entry["height"]),
                body=bytes(payload),
                data=dict(entry["data"]),
            )
            for entry, payload in zip(header["items"], payloads, strict=True)
        ]
        sizes = [int(size) for size in header["groups"]]
        timings_s = [float(value) for value in header["timings_s"]]
    except MALFORMED as exc:
        raise ContractError("the header of the pictures lacks a field") from exc
    if sum(sizes) != len(pictures) or not sizes or sizes[0] < 1 or min(sizes) < 0:
        raise ContractError("the groups do not add up to the pictures")
    groups = []
    for size in sizes:
        groups.append(pictures[:size])
        del pictures[:size]
    return PictureReply(pictures=groups[0], timings_s=timings_s, kept=groups[1:])
