"""``ca_file`` in the URL of any server names authorities beside those of the system."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import trustme

from dispatcher.errors import StartupError
from dispatcher.servers.broker import Broker
from dispatcher.servers.objects import ObjectStore
from dispatcher.servers.redis_connection import RedisConnection

_SERVERS: Final = [
    pytest.param(Broker, "amqps://ann:word@host/vhost?", id="RabbitMQ"),
    pytest.param(RedisConnection, "rediss://ann:word@host/0?", id="Redis"),
    pytest.param(ObjectStore, "s3://bucket?endpoint=https://host&region=r1&", id="S3"),
]
_Make = Callable[[str], object]


@pytest.mark.parametrize(("make", "url"), _SERVERS)
def test_every_server_takes_an_authority_by_the_same_name(
    make: _Make, url: str, tmp_path: Path
) -> None:
    good, none = tmp_path / "ca.pem", tmp_path / "none.pem"
    trustme.CA().cert_pem.write_to_path(str(good))
    assert make(f"{url}ca_file={good}")
    with pytest.raises(StartupError, match="No such file"):
        make(f"{url}ca_file={none}")
