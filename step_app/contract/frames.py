"""One request for several images and its answer, each as one frame.

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
from typing import Any, Final

from step_app.contract.tiles import Tile
from step_app.contract.trace_context import TRACEPARENT, TRACESTATE, TraceContext, read_trace

BATCH_MEDIA_TYPE: Final = "application/vnd.conveyor.batch"
JSON_MEDIA_TYPE: Final = "application/json"

_MAGIC: Final = b"CVB1"
_PREFIX: Final = struct.Struct(">4sI")
_MAX_HEADER_BYTES: Final = 4 * 1024 * 1024
Payload = bytes | memoryview
MALFORMED: Final = (KeyError, TypeError, ValueError, OverflowError, RecursionError)
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
    output: str = ""
    """Media type of the pictures wanted; empty for the one the input's is delivered in."""
    tile: Tile | None = None
    """The chunk that is wanted of the result, instead of all of it."""
    lineage: str = ""
    """Names the image, so that the replica may keep what comes between two operations for other
    chains that begin the same way; empty when nothing of it may be shared."""
    as_is: bool = False
    """Whether the picture is only to be encoded anew, and no step to be run."""
    trace: TraceContext | None = None
    """What caused it; None when that is not told."""


@dataclass(frozen=True, slots=True)
class ItemReply:
    """A replica's answer for one image: a result (status 200) or a problem."""

    id: str
    status: int
    content_type: str
    body: Payload | Sequence[Payload]
    """As one, or in parts that follow each other; as one, a view of the frame, when received."""
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
        {
            "id": i.id,
            "filename": i.filename,
            "size": len(i.image),
            "params": dict(i.params),
            "output": i.output,
            "tile": None if i.tile is None else [i.tile.index, i.tile.count],
            "lineage": i.lineage,
            "as_is": i.as_is,
            # Whoever does not know these passes over them.
            **({} if i.trace is None else i.trace.headers()),
        }
        for i in items
    ]
    return [pack_frame({"items": header}), *(i.image for i in items)]


def decode_batch(frame: bytes) -> list[BatchItem]:
    """Parse a batch frame.

    Raises:
        ContractError: the frame is malformed.
    """
    header, payloads = split_frame(frame)
    try:
        return [
            BatchItem(
                id=str(entry["id"]),
                filename=str(entry["filename"]),
                image=bytes(payload),
                params=dict(entry["params"]),
                output=str(entry["output"]),
                tile=None if entry["tile"] is None else Tile(*map(int, entry["tile"])),
                # Not str(): images whose lineage is null would all have the name "None".
                lineage="" + entry["lineage"],
                as_is=bool(entry["as_is"]),
                trace=read_trace(entry.get(TRACEPARENT), entry.get(TRACESTATE)),
            )
            for entry, payload in zip(header["items"], payloads, strict=True)
        ]
    except MALFORMED as exc:
        raise ContractError("the batch header lacks a field") from exc


def encode_reply(reply: BatchReply) -> bytes:
    """Return the frame of an answer."""
    header = [
        {
            "id": i.id,
            "status": i.status,
            "content_type": i.content_type,
            "size": sum(map(len, _parts(i.body))),
            "duration_s": i.duration_s,
        }
        for i in reply.items
    ]
    head = pack_frame({"revision": reply.revision, "items": header})
    # Joined once: pictures of many megabytes are copied no oftener than that.
    return b"".join([head, *(part for i in reply.items for part in _parts(i.body))])


def decode_reply(frame: bytes, *, expected_ids: Sequence[str]) -> BatchReply:
    """Parse an answer and check that it is the answer to these items, in this order.

    Raises:
        ContractError: the frame is malformed or answers other items.
    """
    header, payloads = split_frame(frame)
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
    except MALFORMED as exc:
        raise ContractError("the reply header lacks a field") from exc
    if [item.id for item in items] != list(expected_ids):
        raise ContractError("the reply answers other items than were asked")
    return BatchReply(revision=revision, items=items)


def pack_frame(header: Mapping[str, Any]) -> bytes:
    """Return the start of a frame: everything before its payloads."""
    encoded = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    return _PREFIX.pack(_MAGIC, len(encoded)) + encoded


def split_frame(frame: Payload) -> tuple[dict[str, Any], list[memoryview]]:
    """Return the header of a frame and its payloads, as views of it.

    Raises:
        ContractError: the frame is malformed.
    """
    if len(frame) < _PREFIX.size:
        raise ContractError("the frame is shorter than its prefix")
    magic, header_bytes = _PREFIX.unpack_from(frame)
    offset = _PREFIX.size + header_bytes
    if magic != _MAGIC or header_bytes > _MAX_HEADER_BYTES or offset > len(frame):
        raise ContractError("the frame has no valid prefix")
    try:
        header = json.loads(bytes(frame[_PREFIX.size : offset]))
        sizes = [int(entry["size"]) for entry in header["items"]]
    except MALFORMED as exc:
        raise ContractError("the frame header is not the JSON expected") from exc
    if any(size < 0 for size in sizes) or offset + sum(sizes) != len(frame):
        raise ContractError("the payload sizes do not add up to the frame")
    payloads, view = [], memoryview(frame)
    for size in sizes:
        payloads.append(view[offset : offset + size])
        offset += size
    return header, payloads


def _parts(body: Payload | Sequence[Payload]) -> Sequence[Payload]:
    return (body,) if isinstance(body, bytes | memoryview) else body
