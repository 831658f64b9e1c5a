"""Redis as Debian ships it."""

import secrets
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tests.ports import free_port
from tests.servers.processes import Guard, ServerProcess

_DATABASES = 1000


class RedisServer(ServerProcess):
    """One server with a password; what it holds is lost with its process."""

    program = "redis-server"

    def __init__(self, guard: Guard, folder: Path) -> None:
        """Prepare a server; see ``ServerProcess``."""
        super().__init__(guard, folder)
        self.port = free_port()
        self.password = secrets.token_hex(8)
        self._numbers = count()

    def new_database(self) -> int:
        """Return the number of an empty database that no other test uses.

        Pub/sub knows no databases: its channels are those of the whole server.
        """
        number = next(self._numbers) % _DATABASES
        with self.client(number) as client:
            client.flushdb()
        return number

    def url(self, database: int = 0, *, port: int | None = None) -> str:
        """Return the URL of a database, at another port when something stands before it."""
        return f"redis://:{self.password}@127.0.0.1:{port or self.port}/{database}"

    def client(self, database: int = 0) -> Redis:
        """Return a client that blocks and gives up after a second; the caller closes it."""
        return Redis(
            host="127.0.0.1",
            port=self.port,
            db=database,
            password=self.password,
            socket_timeout=1,
            socket_connect_timeout=1,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )

    def _command(self) -> Sequence[str]:
        return [
            *(self.program, "--bind", "127.0.0.1", "--port", str(self.port)),
            *("--requirepass", self.password, "--dir", str(self.folder)),
            *("--databases", str(_DATABASES), "--save", "", "--appendonly", "no"),
        ]

    def _is_ready(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False
