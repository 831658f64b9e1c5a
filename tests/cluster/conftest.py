from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.cluster.crew import Addresses
from tests.servers.proxy import TcpProxy
from tests.servers.rabbitmq import RabbitmqServer
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server


@pytest.fixture
def addresses(rabbitmq_url: str, redis_url: str, s3_server: S3Server) -> Addresses:
    """Servers that all tests share and nobody interrupts; this test's own rooms in them."""
    return Addresses(
        rabbitmq_url=rabbitmq_url,
        redis_url=redis_url,
        blob_url=s3_server.url(s3_server.new_bucket()),
        environment=s3_server.environment,
    )


@dataclass(frozen=True)
class Backends:
    """Servers of one test, each behind a network that can be broken."""

    rabbitmq: RabbitmqServer
    redis: RedisServer
    rabbitmq_network: TcpProxy
    redis_network: TcpProxy
    s3_network: TcpProxy
    vhost: str
    addresses: Addresses
    away_s: float
    """How long each of them is away."""


@pytest.fixture
def backends(
    own_rabbitmq: RabbitmqServer, own_redis: RedisServer, s3_server: S3Server, is_long: bool
) -> Iterator[Backends]:
    """Servers that this test may interrupt; the object store by its network alone."""
    with ExitStack() as stack:
        rabbitmq, redis, s3 = (
            stack.enter_context(TcpProxy(server.port))
            for server in (own_rabbitmq, own_redis, s3_server)
        )
        vhost = own_rabbitmq.new_vhost()
        yield Backends(
            own_rabbitmq,
            own_redis,
            rabbitmq,
            redis,
            s3,
            vhost,
            Addresses(
                rabbitmq_url=own_rabbitmq.url(vhost, port=rabbitmq.port),
                redis_url=own_redis.url(port=redis.port),
                blob_url=s3_server.url(s3_server.new_bucket(), port=s3.port),
                environment=s3_server.environment,
            ),
            away_s=8.0 if is_long else 2.0,
        )
