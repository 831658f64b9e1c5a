"""moto's S3 server, one request at a time; run by the Python that has moto.

By itself moto looks whether an object is there and then puts it, each request in a thread of its
own: of two conditional puts at once both may be told that theirs is the one. A real S3 never says
so, and what happens only once is built on that. Its own server also closes a connection after
each request, and asks all of its modules whose the request is; waitress keeps connections, as a
real S3 does, and there is one module.

    python s3_program.py PORT
"""

import sys

import waitress
from moto.moto_server.werkzeug_app import create_backend_app

_CONNECTIONS = 1000
"""More than a store's clients open together; who comes after so many waits."""

if __name__ == "__main__":
    waitress.serve(
        create_backend_app("s3"),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        threads=1,
        connection_limit=_CONNECTIONS,
        backlog=_CONNECTIONS,
        asyncore_use_poll=True,
    )
