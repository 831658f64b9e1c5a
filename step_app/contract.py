"""The wire contract between a dispatcher and a step replica (standard library only).

One request to ``/process_batch`` carries several images and one answer carries several replies,
each judged alone. Both bodies are one *frame*::

    b"CVB1" | header length, 4 bytes big-endian | header, JSON | payload 0 | payload 1 | ...

The header lists, in payload order, what each payload is and its ``size`` in bytes. Payloads are
raw bytes: no base64, no multipart boundary to search for.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

BATCH_MEDIA_TYPE: Final = "application/vnd.conveyor.batch"
JSON_MEDIA_TYPE: Final = "application/json"
MAX_IMAGE_BYTES: Final = 20 * 1024 * 1024
MAX_PIXELS: Final = 50_000_000
MAX_SIDE: Final = 20_000
"""Longest side of an image, in pixels. Dispatcher and replica both check: headers can lie."""
MAX_REPLY_BYTES: Final = 256 * 1024 * 1024
"""Most bytes of one answer that a dispatcher reads before it calls the replica broken."""

EXIT_CONFIGURATION: Final = 78
"""Exit status of a replica whose configuration can never work (``EX_CONFIG`` of sysexits)."""

OutputKind = Literal["image", "images", "json"]


@dataclass(frozen=True, slots=True)
class StepType:
    """What a step of one type takes and gives."""

    name: str
    output: OutputKind
    params: Mapping[str, Any]
    """JSON schema of the params, defaults included."""
    fixed: frozenset[str] = frozenset()
    """Params that a running replica cannot change: they choose what it has loaded."""


STEP_TYPES: Final[Mapping[str, StepType]] = {
    "classifier": StepType(
        name="classifier",
        output="json",
        params={
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "model": {"type": "string", "default": "efficientnet_lite0"},
                "weights": {"type": ["string", "null"], "default": None},
                "top_k": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 5},
                "precision": {"enum": ["auto", "f32", "bf16"], "default": "auto"},
                "runtime": {"enum": ["auto", "torch", "openvino"], "default": "auto"},
            },
        },
        fixed=frozenset({"model", "weights", "precision", "runtime"}),
    ),
}

_MAGIC: Final = b"CVB1"
_PREFIX: Final = struct.Struct(">4sI")
_MAX_HEADER_BYTES: Final = 4 * 1024 * 1024
_MALFORMED: Final = (KeyError, TypeError, ValueError, OverflowError, RecursionError)
"""What reading a header of another shape than agreed raises: ``1e400`` is no size, either."""


class ContractError(ValueError):
    """A frame that does not follow the contract: the sender is broken."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One image on its way to a replica."""

    id: str
    filename: str
    image: bytes
    params: Mapping[str, Any] = field(default_factory=dict)
    """Overrides of the step's params for this image alone."""


@dataclass(frozen=True, slots=True)
class ItemReply:
    """A replica's answer for one image: a result (status 200) or a problem."""

    id: str
    status: int
    content_type: str
    body: bytes
    duration_s: float
    """Time the step itself took for this image, decoding included."""


@dataclass(frozen=True, slots=True)
class BatchReply:
    """A replica's answer to one batch, in the order of the request."""

    revision: str
    items: Sequence[ItemReply]


def encode_batch(items: Sequence[BatchItem]) -> list[bytes]:
    """Return the frame of a batch as chunks to send one after the other."""
    header = [
        {"id": i.id, "filename": i.filename, "size": len(i.image), "params": dict(i.params)}
        for i in items
    ]
    return [_head({"items": header}), *(i.image for i in items)]


def decode_batch(frame: bytes) -> list[BatchItem]:
    """Parse a batch frame.

    Raises:
        ContractError: the frame is malformed.
    """
    header, payloads = _split(frame)
    try:
        return [
            BatchItem(
                id=str(entry["id"]),
                filename=str(entry["filename"]),
                image=payload,
                params=dict(entry["params"]),
            )
            for entry, payload in zip(header["items"], payloads, strict=True)
        ]
    except _MALFORMED as exc:
        raise ContractError("the batch header lacks a field") from exc


def encode_reply(reply: BatchReply) -> bytes:
    """Return the frame of an answer."""
    header = [
        {
            "id": i.id,
            "status": i.status,
            "content_type": i.content_type,
            "size": len(i.body),
            "duration_s": i.duration_s,
        }
        for i in reply.items
    ]
    head = _head({"revision": reply.revision, "items": header})
    return b"".join([head, *(i.body for i in reply.items)])


def decode_reply(frame: bytes, *, expected_ids: Sequence[str]) -> BatchReply:
    """Parse an answer and check that it is the answer to these items, in this order.

    Raises:
        ContractError: the frame is malformed or answers other items.
    """
    header, payloads = _split(frame)
    try:
        items = [
            ItemReply(
                id=str(entry["id"]),
                status=int(entry["status"]),
                content_type=str(entry["content_type"]),
                body=payload,
                duration_s=float(entry["duration_s"]),
            )
            for entry, payload in zip(header["items"], payloads, strict=True)
        ]
        revision = str(header["revision"])
    except _MALFORMED as exc:
        raise ContractError("the reply header lacks a field") from exc
    if [item.id for item in items] != list(expected_ids):
        raise ContractError("the reply answers other items than were asked")
    return BatchReply(revision=revision, items=items)


def _head(header: Mapping[str, Any]) -> bytes:
    encoded = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    return _PREFIX.pack(_MAGIC, len(encoded)) + encoded


def _split(frame: bytes) -> tuple[dict[str, Any], list[bytes]]:
    if len(frame) < _PREFIX.size:
        raise ContractError("the frame is shorter than its prefix")
    magic, header_bytes = _PREFIX.unpack_from(frame)
    offset = _PREFIX.size + header_bytes
    if magic != _MAGIC or header_bytes > _MAX_HEADER_BYTES or offset > len(frame):
        raise ContractError("the frame has no valid prefix")
    try:
        header = json.loads(frame[_PREFIX.size : offset])
        sizes = [int(entry["size"]) for entry in header["items"]]
    except _MALFORMED as exc:
        raise ContractError("the frame header is not the JSON expected") from exc
    if any(size < 0 for size in sizes) or offset + sum(sizes) != len(frame):
        raise ContractError("the payload sizes do not add up to the frame")
    payloads = []
    for size in sizes:
        payloads.append(frame[offset : offset + size])
        offset += size
    return header, payloads
