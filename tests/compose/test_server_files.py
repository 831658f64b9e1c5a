"""The files that servers are started with, here and in the cluster, read by these servers."""

import re
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
import redis
import trustme
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.compose.composition import ROOT, services
from tests.k8s.manifests import get, pod_of
from tests.ports import free_port
from tests.servers.fixtures import need
from tests.servers.processes import Guard, ServerProcess
from tests.servers.rabbitmq import NameServer, RabbitmqServer

_COMPONENTS: Final = ROOT / "k8s" / "components"
_PASSWORD: Final = "f" * 48


class ShippedRedis(ServerProcess):
    """Redis by the command of docker-compose.yml, but for this machine's ports and folders."""

    program = "redis-server"

    def __init__(self, guard: Guard, folder: Path, *, tls: Path | None) -> None:
        """Prepare a server; with TLS when a folder of certificates is given."""
        super().__init__(guard, folder)
        self.port = free_port()
        self._tls = tls
        name = "redis/redis.conf" if tls is None else "servers-tls/redis-tls.conf"
        text = (_COMPONENTS / name).read_text()
        for shipped, here in (
            ("bind * -::*", "bind 127.0.0.1"),
            ("port 6379", f"port {self.port}"),
            ("dir /data", f"dir {folder}"),
            *([] if tls is None else [("/etc/redis-tls", str(tls))]),
        ):
            assert shipped in text
            text = text.replace(shipped, here)
        (folder / "redis.conf").write_text(text)

    def client(self, username: str | None = "conveyor") -> redis.Redis:
        """Return a client that blocks."""
        return redis.Redis(
            host="127.0.0.1",
            port=self.port,
            username=username,
            password=_PASSWORD if username else None,
            ssl=self._tls is not None,
            ssl_ca_certs=None if self._tls is None else str(self._tls / "ca.crt"),
            socket_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )

    def _command(self) -> Sequence[str]:
        shell, flags, script = services()["redis"]["command"]
        script = script.replace("$$", "$").replace("/etc/redis/", f"{self.folder}/")
        return [shell, flags, script]

    def _environment(self) -> Mapping[str, str]:
        return {"REDIS_PASSWORD": _PASSWORD}

    def _is_ready(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


class ShippedRabbitmq(RabbitmqServer):
    """RabbitMQ with the shipped limits, and a second port with the shipped TLS."""

    tls_port: int
    tls: Path

    def _config(self, peers: Sequence[str]) -> str:
        limits = (_COMPONENTS / "rabbitmq" / "limits.conf").read_text()
        tls = (_COMPONENTS / "servers-tls" / "tls.conf").read_text()
        for shipped, here in (
            ("listeners.tcp = none\n", ""),
            ("listeners.ssl.default = 5672", f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}"),
            ("/etc/rabbitmq/tls", str(self.tls)),
        ):
            assert shipped in tls
            tls = tls.replace(shipped, here)
        return super()._config(peers) + limits + tls


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder like the Secret conveyor-servers-tls."""
    folder = tmp_path / "tls"
    folder.mkdir()
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    issued.private_key_pem.write_to_path(str(folder / "tls.key"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "tls.crt"))
    return folder


@pytest.fixture(params=["without TLS", "with TLS"])
def shipped_redis(
    request: pytest.FixtureRequest, guard: Guard, tmp_path: Path, certificates: Path
) -> Iterator[ShippedRedis]:
    need(ShippedRedis.program)
    tls = certificates if request.param == "with TLS" else None
    with closing(ShippedRedis(guard, tmp_path / "redis", tls=tls)) as server:
        server.start()
        yield server


def test_s10_nobody_uses_redis_without_the_password(shipped_redis: ShippedRedis) -> None:
    with shipped_redis.client(username=None) as client:
        with pytest.raises(redis.AuthenticationError):
            client.ping()
        with pytest.raises(redis.AuthenticationError):
            client.execute_command("AUTH", "default", "")


def test_k28_redis_keeps_what_it_is_told_and_evicts_nothing(shipped_redis: ShippedRedis) -> None:
    with shipped_redis.client() as client:
        assert client.info("persistence")["aof_enabled"] == 1
        memory = client.info("memory")
        assert memory["maxmemory_policy"] == "noeviction"
        limit = services()["redis"]["mem_limit"]
        assert memory["maxmemory"] * 2 <= int(limit.removesuffix("g")) * 2**30


def test_the_user_of_redis_may_do_what_dispatchers_do_and_no_harm(
    shipped_redis: ShippedRedis,
) -> None:
    with shipped_redis.client() as client:
        assert client.set("a", "1", ex=10)
        assert client.eval("return redis.call('get', KEYS[1])", 1, "a") == b"1"
        assert client.publish("a", "b") == 0
        for harmful in ("FLUSHALL", "FLUSHDB", "KEYS *", "CONFIG GET *", "SHUTDOWN", "ACL LIST"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*harmful.split())
        administrative = client.execute_command("COMMAND LIST", "FILTERBY", "ACLCAT", "admin")
    denied = {name.decode().split("|")[0] for name in administrative if b"|" not in name}
    denied |= {"flushall", "flushdb", "keys", "swapdb"}
    scripts = "".join(path.read_text() for path in (ROOT / "dispatcher").rglob("scripts/*.lua"))
    used = {name.lower() for name in re.findall(r"redis\.p?call\(\s*['\"](\w+)", scripts)}
    assert used
    assert not used & denied


def test_redis_with_tls_differs_in_tls_alone() -> None:
    plain = (_COMPONENTS / "redis" / "redis.conf").read_text().splitlines()[1:]
    tls = (_COMPONENTS / "servers-tls" / "redis-tls.conf").read_text().splitlines()[1:]
    assert [line for line in plain if line not in tls] == ["port 6379"]
    added = [line for line in tls if line not in plain and not line.startswith("#")]
    assert all(line.startswith("tls-") or line == "port 0" for line in added)


def test_redis_is_started_alike_here_and_in_the_cluster() -> None:
    here = [part.replace("$$", "$") for part in services()["redis"]["command"]]
    assert here == list(pod_of(get("cluster", "StatefulSet", "redis")).container["command"])


def test_rabbitmq_reads_its_limits_and_speaks_tls(
    guard: Guard, tmp_path: Path, certificates: Path
) -> None:
    need(RabbitmqServer.program)
    ShippedRabbitmq.tls_port, ShippedRabbitmq.tls = free_port(), certificates
    with closing(NameServer(guard, tmp_path / "names")) as names:
        names.start()
        with closing(ShippedRabbitmq(guard, tmp_path / "node", names=names)) as server:
            server.start()
            settings = server.ctl("environment")
            context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
            with (
                closing(_connect(ShippedRabbitmq.tls_port)) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1") as safe,
            ):
                safe.sendall(b"AMQP\x00\x00\x09\x01")
                assert safe.recv(1) == b"\x01"  # a method frame: connection.start
                assert safe.version() == "TLSv1.3"
    for known in (
        "{consumer_timeout,21600000}",
        "{heartbeat,10}",
        "{vm_memory_high_watermark,0.6}",
        '{disk_free_limit,"1GB"}',
    ):
        assert known in re.sub(r"\s", "", settings), known


def test_the_nodes_of_the_cluster_are_those_that_the_manifest_makes() -> None:
    text = (_COMPONENTS / "rabbitmq" / "cluster.conf").read_text()
    named = re.findall(
        r"^cluster_formation\.classic_config\.nodes\.\d+ = rabbit@(\S+)$", text, re.M
    )
    workload = get("cluster", "StatefulSet", "rabbitmq")["spec"]
    suffix = f"{workload['serviceName']}.conveyor.svc.cluster.local"
    assert named == [f"rabbitmq-{n}.{suffix}" for n in range(workload["replicas"])]
    name = pod_of(get("cluster", "StatefulSet", "rabbitmq")).environment["RABBITMQ_NODENAME"]
    assert name == f"rabbit@[POD_NAME].{suffix}"
    assert "cluster_partition_handling = pause_minority" in text
    # A queue that was declared while one node was there alone must not stay on that one.
    assert "continuous_membership_reconciliation.enabled = true" in text


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)
