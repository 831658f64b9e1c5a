"""moto's S3 server, one request at a time; run by the Python that has moto.

By itself moto looks whether an object is there and then puts it, each request in a thread of its
own: of two conditional puts at once both may be told that theirs is the one. A real S3 never says
so, and what happens only once is built on that.

    python s3_program.py PORT
"""

import sys
import threading
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.server import MotoRequestHandler
from werkzeug.serving import run_simple
from werkzeug.wrappers import Request

Environment = dict[str, Any]


class OneAtATime:
    """An application that answers its requests one after another."""

    def __init__(self, application: Callable[[Environment, Any], Iterable[bytes]]) -> None:
        self._application = application
        self._turn = threading.Lock()

    def __call__(self, environment: Environment, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        # All of it is here before its turn: nobody waits for a client that is slow to send.
        environment["wsgi.input"] = BytesIO(Request(environment).get_data(cache=False))
        with self._turn:
            return self._application(environment, start_response)


if __name__ == "__main__":
    run_simple(
        "127.0.0.1",
        int(sys.argv[1]),
        OneAtATime(DomainDispatcherApplication(create_backend_app)),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
