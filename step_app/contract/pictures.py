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
    reused: int = 0
    """How many of the operations, from the first on, an earlier chain had done already."""


def encode_pictures(reply: PictureReply) -> list[bytes]:
    """Return the frame of a result, in parts that follow each other."""
    header = {
        "timings_s": list(reply.timings_s),
        "reused": reply.reused,
        "items": [
            {
                "media_type": picture.media_type,
                "width": picture.width,
                "height": picture.height,
                "size": len(picture.body),
                "data": dict(picture.data),
            }
            for picture in reply.pictures
        ],
    }
    return [pack_frame(header), *(picture.body for picture in reply.pictures)]


def decode_pictures(frame: Payload) -> PictureReply:
    """Parse the frame of a result.

    Raises:
        ContractError: the frame is malformed, or holds no picture.
    """
    header, payloads = split_frame(frame)
    try:
        reply = PictureReply(
            pictures=[
                Picture(
                    media_type=str(entry["media_type"]),
                    width=int(entry["width"]),
                    height=int(entry["height"]),
                    body=bytes(payload),
                    data=dict(entry["data"]),
                )
                for entry, payload in zip(header["items"], payloads, strict=True)
            ],
            timings_s=[float(value) for value in header["timings_s"]],
            reused=int(header["reused"]),
        )
    except MALFORMED as exc:
        raise ContractError("the header of the pictures lacks a field") from exc
    if not reply.pictures or not 0 <= reply.reused <= len(reply.timings_s):
        raise ContractError("the header of the pictures contradicts itself")
    return reply
