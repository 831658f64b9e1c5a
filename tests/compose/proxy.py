"""nginx as Debian ships it, with the configuration that docker-compose.yml mounts."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.dispatcher.api.serving import Served, serving
from tests.ports import free_port
from tests.servers.processes import Guard, ServerProcess, is_listening

CONFIGURATION: Final = Path(__file__).parents[2] / "dispatcher" / "compose" / "nginx.conf"


class Nginx(ServerProcess):
    """The shipped configuration, but for the addresses and folders of this machine."""

    program = "nginx"

    def __init__(self, guard: Guard, folder: Path, *, upstreams: Sequence[int]) -> None:
        """Prepare a server.

        Args:
            guard: who ends it if the tests cannot.
            folder: what it writes is there.
            upstreams: ports of the dispatchers behind it.
        """
        super().__init__(guard, folder)
        self.port = free_port()
        text = CONFIGURATION.read_text()
        servers = "".join(
            f"server 127.0.0.1:{port} max_fails=3 fail_timeout=5s;" for port in upstreams
        )
        for shipped, here in (
            # `resolve` needs nginx 1.27, and Docker's name server.
            ("server api:8080 resolve max_fails=3 fail_timeout=5s;", servers),
            ("resolver 127.0.0.11 ", "resolver 127.0.0.1 "),
            ("listen 8080 ", f"listen 127.0.0.1:{self.port} "),
            ("/tmp/", f"{folder}/"),
        ):
            assert shipped in text
            text = text.replace(shipped, here)
        (folder / "nginx.conf").write_text(text)

    def _command(self) -> Sequence[str]:
        # One process, so that none is left behind, of a user who may write where pytest has it.
        here = "daemon off; master_process off;" + (" user root;" if os.getuid() == 0 else "")
        return ["/usr/sbin/nginx", "-c", str(self.folder / "nginx.conf"), "-g", here]

    def _is_ready(self) -> bool:
        return is_listening(self.port)


@dataclass(frozen=True)
class Fronted:
    """A dispatcher, and nginx in front of it."""

    nginx: Nginx
    served: Served

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self.nginx.port


@asynccontextmanager
async def fronted(guard: Guard, folder: Path, keys: Path | None = None) -> AsyncIterator[Fronted]:
    """Serve a dispatcher behind nginx until the end of the block."""
    async with serving(folder, keys=keys) as served:
        with closing(Nginx(guard, folder / "nginx", upstreams=[served.port])) as nginx:
            nginx.start()
            yield Fronted(nginx, served)
