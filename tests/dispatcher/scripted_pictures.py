"""Replies of a scripted replica that changes pictures.

Its pictures are texts: each step writes its name and params behind what it was given, so that a
test reads in the last picture what was done to it, and in which order.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp.web import StreamResponse

from step_app.contract.frames import BatchItem, ItemReply
from step_app.contract.pictures import (
    PICTURES_MEDIA_TYPE,
    Picture,
    PictureReply,
    encode_pictures,
)
from tests.dispatcher.scripted_replica import Request, Script, ScriptedReplica, frame, item_reply

WIDTH, HEIGHT = 6, 4
STEP_S = 0.25
"""What every step says that it took."""

Operation = tuple[str, Mapping[str, Any]]


def picture(body: bytes, media_type: str = "image/png", **data: Any) -> Picture:
    return Picture(media_type=media_type, width=WIDTH, height=HEIGHT, body=body, data=data)


def pictures_reply(item: BatchItem, reply: PictureReply) -> ItemReply:
    """A good answer for one item that holds these pictures."""
    return item_reply(item, content_type=PICTURES_MEDIA_TYPE, body=b"".join(encode_pictures(reply)))


def operations_of(item: BatchItem) -> list[Operation]:
    """What an item asks for: a chain, or the one step of its own that a replica has."""
    if item.as_is:
        return []
    if "operations" in item.params:
        return [(name, params) for name, params in item.params["operations"]]
    return [("own", item.params)]


def painted(item: BatchItem, *, reused: int = 0) -> PictureReply:
    """The pictures of one item, of whose operations some were done before."""
    operations = operations_of(item)
    bodies = [item.image]
    for operation in operations:
        bodies = [made for body in bodies for made in paint_over(body, operation)]
    return PictureReply(
        pictures=[picture(body, item.output or "image/png") for body in bodies],
        timings_s=[0.0] * reused + [STEP_S] * (len(operations) - reused),
        reused=reused,
    )


def paint_on(replica: ScriptedReplica, item: BatchItem) -> PictureReply:
    """The pictures of one item; a replica keeps what comes between, of an image with a name."""
    operations = operations_of(item)
    names = [f"{item.lineage}{operations[: number + 1]}" for number in range(len(operations) - 1)]
    known = [number + 1 for number, name in enumerate(names) if name in replica.kept]
    reused = max(known, default=0)
    if item.lineage:
        replica.kept.update(names)
    replica.computed.append([name for name, _ in operations[reused:]])
    return painted(item, reused=reused)


def paint_over(body: bytes, operation: Operation) -> list[bytes]:
    """What one step makes of one picture: several of them when it splits."""
    name, params = operation
    if name == "split":
        count = params.get("rows", 2) * params.get("cols", 2)
        return [body + f"|split#{number}".encode() for number in range(count)]
    told = "".join(f" {key}={value}" for key, value in sorted(params.items()))
    return [body + f"|{name}{told}".encode()]


async def paint(request: Request) -> StreamResponse:
    """Answer every item with its pictures."""
    replies = [pictures_reply(item, paint_on(request.replica, item)) for item in request.items]
    return frame(request, replies)


async def hold_and_paint(request: Request) -> StreamResponse:
    """Answer every item with its pictures once ``released`` is set."""
    await request.replica.released.wait()
    return await paint(request)


def paint_with(make: Callable[[BatchItem], PictureReply]) -> Script:
    """Answer every item with pictures of this making."""

    async def script(request: Request) -> StreamResponse:
        return frame(request, [pictures_reply(item, make(item)) for item in request.items])

    return script


async def classify(request: Request) -> StreamResponse:
    """Answer every item with a label that names its picture."""
    return frame(request, [labelled(item) for item in request.items])


def labelled(item: BatchItem) -> ItemReply:
    label = {"filename": item.filename, "predictions": [item.image.decode()], "scores": [0.5]}
    return item_reply(item, body=json.dumps(label).encode())


def chains_asked(requests: Sequence[Request]) -> list[list[str]]:
    """The names of the operations that each item asked for, in the order of their arrival."""
    return [
        [name for name, _ in operations_of(item)] for request in requests for item in request.items
    ]
