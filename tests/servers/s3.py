"""moto's S3 server: real HTTP, conditional puts (see ``s3_program``), everything in memory."""

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Final

import httpx

from tests.ports import free_port
from tests.servers.processes import Guard, ServerProcess

PROGRAM: Final = Path(__file__).with_name("s3_program.py")
PYTHON: Final = Path(__file__).parents[2] / ".venv-s3" / "bin" / "python"
"""In an environment of its own: what moto needs contradicts what Conveyor needs."""
_REGION: Final = "eu-central-1"


class S3Server(ServerProcess):
    """One server; what it holds is lost with its process, so put a proxy before it instead."""

    environment: Final[Mapping[str, str]] = {
        "AWS_ACCESS_KEY_ID": "conveyor",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    }
    """The credentials of a client; it takes any."""

    def __init__(self, guard: Guard, folder: Path) -> None:
        """Prepare a server; see ``ServerProcess``."""
        super().__init__(guard, folder)
        self.port = free_port()
        self._numbers = count()

    def new_bucket(self) -> str:
        """Make a bucket and return its name."""
        name = f"test-{next(self._numbers)}"
        self._ask("PUT", name).raise_for_status()
        return name

    def url(self, bucket: str, *, port: int | None = None) -> str:
        """Return the URL of a bucket, at another port when something stands before it."""
        endpoint = f"http://127.0.0.1:{port or self.port}"
        return f"s3://{bucket}?endpoint={endpoint}&region={_REGION}"

    def _command(self) -> Sequence[str]:
        return [str(PYTHON), str(PROGRAM), str(self.port)]

    def _is_ready(self) -> bool:
        try:
            return self._ask("GET", "").is_success
        except httpx.HTTPError:
            return False

    def _ask(self, method: str, path: str) -> httpx.Response:
        url = f"http://127.0.0.1:{self.port}/{path}"
        return httpx.request(method, url, timeout=10, verify=False, trust_env=False)
