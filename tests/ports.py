"""Ports of 127.0.0.1 for the servers that tests start."""

import itertools
import os
import random
import socket
from collections.abc import Iterator
from typing import Final

_PORTS: Final = range(20_000, 32_000)
"""Below those from which the system takes the port of an outgoing connection: one of these must
not take the port of a server that is being restarted."""
_WORKERS: Final = 8
"""Those of pytest that have ports of their own."""


def free_port() -> int:
    """Return a port that nobody listens on, and that was not given to anybody a moment ago."""
    return next(port for port in _in_turn if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _shuffled() -> Iterator[int]:
    """Go through the ports of this worker of pytest, again and again."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = list(_PORTS[worker % _WORKERS :: _WORKERS])
    random.SystemRandom().shuffle(own)
    return itertools.cycle(own)


_in_turn: Final = _shuffled()
