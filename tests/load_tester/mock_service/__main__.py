"""Run as ``python -m tests.load_tester.mock_service SCRIPT``: prints its URL, ends with its input.

SCRIPT is a `Script` as JSON.
"""

import asyncio
import gc
import sys

import msgspec
import uvloop

from tests.load_tester.mock_service.script import Script
from tests.load_tester.mock_service.service import MockService

# Whoever connects while the service is frozen waits here.
_BACKLOG = 4096


async def _serve(script: Script) -> None:
    service = MockService(script)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(service.create_connection, "127.0.0.1", 0, backlog=_BACKLOG)
    host, port = server.sockets[0].getsockname()[:2]
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    # A collection would stop the service for as long as a job takes.
    gc.disable()
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(_serve(msgspec.json.decode(sys.argv[1], type=Script)))
