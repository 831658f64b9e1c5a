"""A process that behaves like a replica as far as a launcher sees it; standard library only.

What it does is said by the param ``model`` of its own step: ``refuses`` ends as one whose
configuration can never work, ``dies`` ends at once, ``sleeps`` never gets ready, ``hangs`` gets
ready once and then answers nothing; every other one works.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REFUSED = 78


def own_model() -> str:
    """Return what this process shall do."""
    config = json.loads(os.environ["PIPELINE_CONFIG"])
    own = next(step for step in config["steps"] if str(step["id"]) == config["step_id"])
    return str((own.get("params") or {}).get("model", "works"))


class Handler(BaseHTTPRequestHandler):
    """Answers probes, and tells its environment to whoever asks."""

    model = "works"
    probes = 0

    def do_GET(self) -> None:
        if self.path == "/environment":
            self._send(200, {**os.environ, "PID": str(os.getpid())})
        elif self.path == "/readyz":
            type(self).probes += 1
            is_ready = self.model != "sleeps" and (self.model != "hangs" or self.probes == 1)
            self._send(200 if is_ready else 503, {"revision": "tiny-1", "max_batch_size": 4})
        else:
            self._send(503 if self.model == "hangs" and self.probes else 200, {"status": "alive"})

    def _send(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def main() -> int:
    """Serve until killed; return the exit status where there is one."""
    Handler.model = own_model()
    if Handler.model == "refuses":
        sys.stderr.write("error: unknown model 'refuses'\n")
        return REFUSED
    if Handler.model == "dies":
        return 1
    threading.Thread(target=end_with_parent, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["SERVICE_PORT"])), Handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
