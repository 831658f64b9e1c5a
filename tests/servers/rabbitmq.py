"""RabbitMQ as Debian ships it: one node, or several that are one cluster."""

import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Final

import httpx

from tests.ports import free_port
from tests.servers.processes import Guard, ServerProcess, is_listening

_SCRIPTS: Final = Path("/usr/lib/rabbitmq/bin")
"""Where Debian has those that do not insist on a user of their own."""
_USER: Final = "conveyor"
_CTL_WITHIN_S: Final = 30.0

_CONFIG: Final = """\
listeners.tcp.1 = 127.0.0.1:{port}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management_port}
management_agent.disable_metrics_collector = true
default_user = {user}
default_pass = {password}
loopback_users = none
raft.wal_max_size_bytes = 33554432
"""


class NameServer(ServerProcess):
    """epmd, by which Erlang's nodes find each other; nodes would start one that stays."""

    def __init__(self, guard: Guard, folder: Path) -> None:
        """Prepare a server; see ``ServerProcess``."""
        super().__init__(guard, folder)
        self.port = free_port()

    def _command(self) -> Sequence[str]:
        return ["epmd", "-port", str(self.port), "-address", "127.0.0.1"]

    def _is_ready(self) -> bool:
        return is_listening(self.port)


class RabbitmqServer(ServerProcess):
    """One node, with a user of its own who may do everything."""

    program = "rabbitmq-server"

    def __init__(
        self,
        guard: Guard,
        folder: Path,
        *,
        names: NameServer,
        name: str = "one",
        peers: Sequence[str] = (),
        password: str | None = None,
    ) -> None:
        """Prepare a node.

        Args:
            guard: who ends it if the tests cannot.
            folder: its data and its log; the folder above has the secret of its cluster.
            names: a running name server.
            name: its name, without the machine's.
            peers: the names of all nodes of its cluster, itself among them.
            password: that of its cluster.
        """
        super().__init__(guard, folder)
        self.name = name
        self.port = free_port()
        self.password = password or secrets.token_hex(8)
        self._management_port = free_port()
        self._node_port = free_port()
        self._names = names
        self._numbers = count()
        (folder / "plugins").write_text("[rabbitmq_management].")
        (folder / "rabbitmq.conf").write_text(self._config(peers))

    def new_vhost(self) -> str:
        """Make a virtual host, empty, and return its name."""
        name = f"test-{next(self._numbers)}"
        self._manage("PUT", name)
        return name

    def delete_vhost(self, name: str) -> None:
        """Delete a virtual host with everything in it."""
        self._manage("DELETE", name)

    def url(self, vhost: str, *, port: int | None = None) -> str:
        """Return the URL of a virtual host, at another port when something stands before it."""
        return f"amqp://{_USER}:{self.password}@127.0.0.1:{port or self.port}/{vhost}"

    def ctl(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` (a third of a second) and return what it printed.

        Raises:
            subprocess.CalledProcessError: it failed; ``stderr`` says why.
        """
        done = subprocess.run(
            [str(_scripts() / "rabbitmqctl"), "--quiet", *arguments],
            env={"PATH": "/usr/bin:/bin:/usr/sbin", **self._environment()},
            capture_output=True,
            text=True,
            check=True,
            timeout=_CTL_WITHIN_S,
        )
        return done.stdout

    def _config(self, peers: Sequence[str]) -> str:
        config = _CONFIG.format(
            port=self.port,
            management_port=self._management_port,
            user=_USER,
            password=self.password,
        )
        if peers:
            config += "cluster_formation.peer_discovery_backend = classic_config\n"
        for number, peer in enumerate(peers, start=1):
            config += f"cluster_formation.classic_config.nodes.{number} = {peer}@localhost\n"
        return config

    def _command(self) -> Sequence[str]:
        return [str(_scripts() / "rabbitmq-server")]

    def _environment(self) -> Mapping[str, str]:
        return {
            "HOME": str(self.folder.parent),
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._names.port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"{self.name}@localhost",
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            # The script becomes the server instead of staying before it.
            "RUNNING_UNDER_SYSTEMD": "true",
            # Idle schedulers sleep: the machine is shared with what is tested.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none"
            " -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _is_ready(self) -> bool:
        try:
            answer = self._ask("GET", "overview")
        except httpx.HTTPError:
            return False
        return answer.is_success and is_listening(self.port)

    def _manage(self, method: str, vhost: str) -> None:
        self._ask(method, f"vhosts/{vhost}").raise_for_status()

    def _ask(self, method: str, path: str) -> httpx.Response:
        url = f"http://127.0.0.1:{self._management_port}/api/{path}"
        # Without certificates that nobody asks for: to read them takes longer than the rest.
        return httpx.request(
            method, url, auth=(_USER, self.password), timeout=10, verify=False, trust_env=False
        )


def _scripts() -> Path:
    """Return the folder of the scripts that RabbitMQ ships."""
    if _SCRIPTS.is_dir():
        return _SCRIPTS
    found = shutil.which(RabbitmqServer.program)
    assert found is not None
    return Path(found).resolve().parent
