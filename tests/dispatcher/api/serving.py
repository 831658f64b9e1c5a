"""The whole application behind a real socket, without replicas: what it does is known at once."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from dispatcher.api.guards.connections import Connection, connection_class
from dispatcher.api.guards.exposure import connection_limits
from dispatcher.api.guards.keys import ApiKey, Scope, digest_of, format_keys
from dispatcher.api.guards.patience import Limits
from dispatcher.app import create_app
from dispatcher.settings import load_settings
from dispatcher.wiring import Services, build_services
from tests.dispatcher.records import make_pipeline
from tests.dispatcher.waiting import until

KEYS: Mapping[str, bytes] = {
    "alice": b"cvy_live_" + b"a" * 43,
    "bob": b"cvy_live_" + b"b" * 43,
    "reader": b"cvy_live_" + b"r" * 43,
    "sender": b"cvy_live_" + b"s" * 43,
    "operator": b"cvy_live_" + b"o" * 43,
}
"""Alice and Bob submit and read; the others may do one thing each."""
SCOPES: Mapping[str, Sequence[Scope]] = {
    "alice": (Scope.SUBMIT, Scope.READ),
    "bob": (Scope.SUBMIT, Scope.READ),
    "reader": (Scope.READ,),
    "sender": (Scope.SUBMIT,),
    "operator": (Scope.ADMIN,),
}


class Server(uvicorn.Server):
    """uvicorn that leaves signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True)
class Served:
    """An application that is served on a port, and what is behind it."""

    port: int
    services: Services
    server: Server

    def is_untouched(self) -> bool:
        """Whether no trace is left of what was sent."""
        services = self.services
        kept = (services.queue.depth(), services.results.count(), services.blobs.total_bytes())
        return kept == (0, 0, 0)

    def connections(self) -> list[Connection]:
        return [c for c in self.server.server_state.connections if isinstance(c, Connection)]


def bearer(name: str) -> str:
    """The value of the Authorization header of one of the owners."""
    return f"Bearer {KEYS[name].decode()}"


def write_keys(path: Path, *owners: str, **rates: float) -> Path:
    """Write a file with the keys of these owners, of all unless told otherwise."""
    keys = [
        ApiKey(
            id=f"key-{name}",
            owner=name,
            digest=digest_of(KEYS[name]),
            scopes=frozenset(SCOPES[name]),
            rate_per_s=rates.get(name),
        )
        for name in owners or KEYS
    ]
    path.write_text(format_keys(keys))
    path.chmod(0o600)
    return path


@asynccontextmanager
async def serving(
    folder: Path, *flags: str, limits: Limits | None = None, keys: Path | None = None
) -> AsyncIterator[Served]:
    """Serve until the end of the block."""
    if keys is not None:
        flags = (*flags, "--api-keys-file", str(keys))
    settings = load_settings(["--queue", "memory", "--data-dir", str(folder / "data"), *flags])
    services = build_services(settings)
    if services.keys is not None:
        services.keys.open()
    services.pipelines.replace([make_pipeline()])
    services.lifecycle.is_started = True
    await services.blobs.start()
    server = Server(
        uvicorn.Config(
            create_app(services),
            lifespan="off",
            http=connection_class(limits or connection_limits(settings)),
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
    )
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until(lambda: server.started)
            yield Served(listener.getsockname()[1], services, server)
        finally:
            server.should_exit = True
            await running
            await services.blobs.close()
