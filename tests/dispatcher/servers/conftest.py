from collections.abc import Iterator
from functools import partial

import pytest

from dispatcher.servers.breaker import BreakerPolicy
from tests.servers.proxy import TcpProxy
from tests.servers.redis import RedisServer


@pytest.fixture
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that were away are looked at again soon."""
    soon = partial(BreakerPolicy, probe_interval_s=0.1, first_pause_s=0.05, max_pause_s=0.1)
    monkeypatch.setattr("dispatcher.servers.watch.BreakerPolicy", soon)
    monkeypatch.setattr("dispatcher.servers.objects._POLICY", soon(slow_s=60.0))


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[TcpProxy]:
    """What stands before the Redis of all tests."""
    with TcpProxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def far_url(redis_server: RedisServer, proxy: TcpProxy) -> str:
    """A database of this test's own, behind the proxy."""
    return redis_server.url(redis_server.new_database(), port=proxy.port)
