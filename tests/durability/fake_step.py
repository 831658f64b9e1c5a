"""A step replica without a model: its answers are the ``oracle``'s, each execution is logged.

Run as ``python -m tests.durability.fake_step --port P --log FILE``; it ends with its standard
input. It outlives the dispatcher, so that its log tells what ran before and after a crash.
"""

import argparse
import asyncio
import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from step_app.contract.frames import (
    BATCH_MEDIA_TYPE,
    JSON_MEDIA_TYPE,
    BatchItem,
    BatchReply,
    ItemReply,
    decode_batch,
    encode_reply,
)
from step_app.contract.pictures import (
    PICTURES_MEDIA_TYPE,
    Picture,
    PictureReply,
    encode_pictures,
)
from tests.durability.oracle import PICTURE_SIDE, answer_of, picture_of

REVISION = "oracle-1"
_MAX_BODY_BYTES = 256 * 1024 * 1024
_DURATION_S = 0.0001


class FakeStep:
    """Answers batches, each after a delay, and logs when an item starts and ends."""

    def __init__(self, log: int, *, delay_s: float, max_batch_size: int) -> None:
        self._log = log
        self._delay_s = delay_s
        self._max_batch_size = max_batch_size

    async def livez(self, _: web.Request) -> web.Response:
        """Say that it lives."""
        return web.Response()

    async def readyz(self, _: web.Request) -> web.Response:
        """Say what it is."""
        return web.json_response({"revision": REVISION, "max_batch_size": self._max_batch_size})

    async def process_batch(self, request: web.Request) -> web.Response:
        """Answer every item."""
        try:
            items = decode_batch(await request.read())
        except ConnectionResetError:  # the dispatcher was killed while it sent
            return web.Response(status=400)
        self._note("start", items)
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        replies = [_reply(item) for item in items]
        self._note("end", items)
        frame = encode_reply(BatchReply(revision=REVISION, items=replies))
        return web.Response(body=frame, content_type=BATCH_MEDIA_TYPE)

    def _note(self, event: str, items: Sequence[BatchItem]) -> None:
        """Log an event in one write, so that no line is ever half written."""
        now = time.time()
        lines = [json.dumps({"event": event, "id": item.id, "at": now}) + "\n" for item in items]
        os.write(self._log, "".join(lines).encode())


def _reply(item: BatchItem) -> ItemReply:
    if not item.output:
        document = {"predictions": [answer_of(item.image, item.params)], "scores": [1.0]}
        body: bytes | list[bytes] = json.dumps(document).encode()
        content_type = JSON_MEDIA_TYPE
    else:
        picture = Picture("image/png", *PICTURE_SIDE, picture_of(item.image, item.params))
        body = encode_pictures(PictureReply(pictures=[picture], timings_s=[_DURATION_S]))
        content_type = PICTURES_MEDIA_TYPE
    return ItemReply(
        id=item.id, status=200, content_type=content_type, body=body, duration_s=_DURATION_S
    )


def _end_with_standard_input() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)


def main() -> None:
    """Serve until the standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--max-batch-size", type=int, default=8)
    arguments = parser.parse_args()
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    log = os.open(arguments.log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    step = FakeStep(log, delay_s=arguments.delay_s, max_batch_size=arguments.max_batch_size)
    app = web.Application(client_max_size=_MAX_BODY_BYTES)
    app.router.add_get("/livez", step.livez)
    app.router.add_get("/readyz", step.readyz)
    app.router.add_post("/process_batch", step.process_batch)
    web.run_app(app, host="127.0.0.1", port=arguments.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
