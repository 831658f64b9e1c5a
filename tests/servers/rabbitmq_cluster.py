"""Several nodes of RabbitMQ that are one cluster."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from tests.servers.processes import Guard
from tests.servers.rabbitmq import NameServer, RabbitmqServer

_NAMES = "abcdefg"


class RabbitmqCluster:
    """Nodes with one password, each of which can be interrupted by itself."""

    def __init__(self, guard: Guard, folder: Path, *, size: int = 3) -> None:
        """Prepare nodes; nothing is started.

        Args:
            guard: who ends them if the tests cannot.
            folder: their data and logs.
            size: how many.
        """
        self._names = NameServer(guard, folder / "names")
        password = secrets.token_hex(8)
        peers = [*_NAMES[:size]]
        self.nodes: Sequence[RabbitmqServer] = [
            RabbitmqServer(
                guard, folder / name, names=self._names, name=name, peers=peers, password=password
            )
            for name in peers
        ]

    def start(self) -> None:
        """Start all nodes and return once each serves as a part of the cluster."""
        self._names.start()
        # The first forms the cluster, so that there is only one; the others join at once.
        self.nodes[0].start()
        for node in self.nodes[1:]:
            node.launch()
        for node in self.nodes[1:]:
            node.wait_ready()
        assert self.names_running() == {node.name for node in self.nodes}

    def close(self) -> None:
        """Leave no process behind."""
        for server in (*self.nodes, self._names):
            server.close()

    def new_vhost(self) -> str:
        """Make a virtual host on all nodes and return its name."""
        return self.running().new_vhost()

    def running(self) -> RabbitmqServer:
        """Return a node that runs."""
        return next(node for node in self.nodes if node.is_running())

    def names_running(self) -> set[str]:
        """Return the names of the nodes that a running one believes to run."""
        status = json.loads(self.running().ctl("cluster_status", "--formatter", "json"))
        return {name.partition("@")[0] for name in status["running_nodes"]}

    def leader_of(self, vhost: str, queue: str) -> RabbitmqServer | None:
        """Return the node that leads a quorum queue; None while nobody does."""
        rows = json.loads(
            self.running().ctl("list_queues", "-p", vhost, "name", "leader", "--formatter", "json")
        )
        # A queue without a leader is left out of the list.
        leader = next((row["leader"] for row in rows if row["name"] == queue), None)
        return next((node for node in self.nodes if f"{node.name}@localhost" == leader), None)
