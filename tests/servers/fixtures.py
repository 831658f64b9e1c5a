"""Fixtures of real servers, for every folder of tests.

The shared ones are started once, by the first test that asks; each test has a virtual host,
database or bucket of its own. Who stops, kills or pauses a server asks for one of its own.
A server that is not installed skips the tests that need it, and fails them where ``CI`` is set.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.servers.processes import Guard
from tests.servers.prometheus import PROMTOOL, PrometheusServer
from tests.servers.rabbitmq import NameServer, RabbitmqServer
from tests.servers.rabbitmq_cluster import RabbitmqCluster
from tests.servers.redis import RedisServer
from tests.servers.s3 import PYTHON as S3_PYTHON
from tests.servers.s3 import S3Server


@pytest.fixture(scope="session")
def guard() -> Iterator[Guard]:
    """Who ends servers when the tests cannot."""
    with closing(Guard()) as guard:
        yield guard


@pytest.fixture(scope="session")
def rabbitmq(guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitmqServer]:
    """The RabbitMQ of all tests that leave it alone."""
    with _rabbitmq(guard, tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis of all tests that leave it alone."""
    with _redis(guard, tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The S3 server of all tests that leave it alone."""
    with _s3(guard, tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def rabbitmq_url(rabbitmq: RabbitmqServer) -> Iterator[str]:
    """A virtual host of this test's own."""
    vhost = rabbitmq.new_vhost()
    yield rabbitmq.url(vhost)
    rabbitmq.delete_vhost(vhost)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """A database of this test's own."""
    return redis_server.url(redis_server.new_database())


@pytest.fixture
def s3_url(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of this test's own; the environment has the credentials."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server.url(s3_server.new_bucket())


@pytest.fixture
def own_rabbitmq(guard: Guard, tmp_path: Path) -> Iterator[RabbitmqServer]:
    """A RabbitMQ that this test may interrupt; 5 seconds to start."""
    with _rabbitmq(guard, tmp_path / "own-rabbitmq") as server:
        yield server


@pytest.fixture
def own_redis(guard: Guard, tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that this test may interrupt."""
    with _redis(guard, tmp_path / "own-redis") as server:
        yield server


@pytest.fixture
def own_s3(guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """An S3 server that this test may interrupt; the environment has the credentials."""
    for name, value in S3Server.environment.items():
        monkeypatch.setenv(name, value)
    with _s3(guard, tmp_path / "own-s3") as server:
        yield server


@pytest.fixture
def rabbitmq_cluster(guard: Guard, tmp_path: Path) -> Iterator[RabbitmqCluster]:
    """Three nodes that this test may interrupt."""
    need(RabbitmqServer.program)
    with closing(RabbitmqCluster(guard, tmp_path / "cluster")) as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def prometheus(guard: Guard, tmp_path: Path) -> Iterator[PrometheusServer]:
    """A Prometheus of this test's own, which has no targets yet."""
    with prometheus_in(guard, tmp_path / "prometheus") as server:
        yield server


@pytest.fixture(scope="session")
def need_promtool() -> None:
    """What Prometheus thinks of metrics, rules and queries, without a server."""
    need(PROMTOOL)


@contextmanager
def prometheus_in(guard: Guard, folder: Path) -> Iterator[PrometheusServer]:
    """Run a Prometheus without targets in a folder, until the end of the block."""
    need(PrometheusServer.program)
    with closing(PrometheusServer(guard, folder)) as server:
        server.start()
        yield server


@contextmanager
def _rabbitmq(guard: Guard, folder: Path) -> Iterator[RabbitmqServer]:
    need(RabbitmqServer.program)
    with ExitStack() as stack:
        names = stack.enter_context(closing(NameServer(guard, folder / "names")))
        names.start()
        server = RabbitmqServer(guard, folder / "node", names=names)
        stack.enter_context(closing(server)).start()
        yield server


@contextmanager
def _redis(guard: Guard, folder: Path) -> Iterator[RedisServer]:
    need(RedisServer.program)
    with closing(RedisServer(guard, folder)) as server:
        server.start()
        yield server


@contextmanager
def _s3(guard: Guard, folder: Path) -> Iterator[S3Server]:
    need(str(S3_PYTHON))
    with closing(S3Server(guard, folder)) as server:
        server.start()
        yield server


def need(program: str) -> None:
    """Skip the test that needs a server which is not here; in CI, fail it."""
    # Debian keeps the servers where the PATH of a user who is not root does not look.
    if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"):
        return
    message = f"{Path(program).name} is not installed: ./setup.sh servers"
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(message)
    pytest.skip(message)
