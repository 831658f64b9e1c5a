"""A tiny replica that also works: the param ``model``, as ``takes-50``, says how many milliseconds
each image takes. It computes one image at a time, and ends when it has answered what it has.
"""

import os
import signal
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from step_app.contract.frames import (
    BATCH_MEDIA_TYPE,
    JSON_MEDIA_TYPE,
    BatchReply,
    ItemReply,
    decode_batch,
    encode_reply,
)
from tests.dispatcher.topology.tiny_replica import (
    Handler,
    end_with_parent,
    own_model,
)


class SlowHandler(Handler):
    """Answers batches."""

    protocol_version = "HTTP/1.1"
    image_s = 0.05
    computing = threading.Lock()
    on_hand: set[int] = set()  # noqa: RUF012 - one for the process

    def do_POST(self) -> None:
        """Compute what came, after all that came earlier."""
        self.on_hand.add(id(self))
        try:
            items = decode_batch(self.rfile.read(int(self.headers["Content-Length"])))
            with self.computing:
                time.sleep(self.image_s * len(items))
            replies = [
                ItemReply(
                    id=item.id,
                    status=200,
                    content_type=JSON_MEDIA_TYPE,
                    body=b'{"predictions": ["koala"]}',
                    duration_s=self.image_s,
                )
                for item in items
            ]
            body = encode_reply(BatchReply(revision="tiny-1", items=replies))
            self.send_response(200)
            self.send_header("Content-Type", BATCH_MEDIA_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
        finally:
            self.on_hand.discard(id(self))


def end_when_idle() -> None:
    """End the process once nothing is on hand."""
    while SlowHandler.on_hand:
        time.sleep(0.01)
    os._exit(0)


def main() -> None:
    """Serve until told to end."""
    model = own_model()
    SlowHandler.model = model
    SlowHandler.image_s = int(model.removeprefix("takes-")) / 1000
    threading.Thread(target=end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=end_when_idle).start())
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["SERVICE_PORT"])), SlowHandler).serve_forever()


if __name__ == "__main__":
    main()
