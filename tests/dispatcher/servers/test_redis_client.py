"""Which Redis a URL means, and whether it is that one."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing

import pytest
import trustme
from redis import Redis

from dispatcher.errors import StartupError
from dispatcher.servers.redis_client import make_client
from dispatcher.servers.redis_connection import RedisConnection
from tests.dispatcher.servers.connecting import given_up, reached
from tests.servers.processes import Guard
from tests.servers.redis import RedisServer


class TlsRedisServer(RedisServer):
    """A Redis that speaks TLS only; its folder has its key and certificate."""

    def client(self, database: int = 0) -> Redis:
        """Return a client that trusts the server's authority."""
        return Redis(
            port=self.port,
            db=database,
            password=self.password,
            socket_timeout=1,
            ssl=True,
            ssl_ca_certs=str(self.folder / "ca.pem"),
            ssl_check_hostname=False,
        )

    def _command(self) -> Sequence[str]:
        program, *arguments = super()._command()
        at = arguments.index("--port")
        arguments[at : at + 2] = ["--port", "0", "--tls-port", str(self.port)]
        files = ("--tls-cert-file", "server.pem", "--tls-key-file", "server.pem")
        return [program, *arguments, *files, "--tls-auth-clients", "no"]


@pytest.fixture(scope="module")
def tls_server(
    redis_server: RedisServer, guard: Guard, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TlsRedisServer]:
    """One whose certificate is for localhost, of an authority that the system does not know.

    ``redis_server`` is asked for because it skips where there is no Redis.
    """
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    with closing(TlsRedisServer(guard, folder)) as server:
        server.start()
        yield server


@asynccontextmanager
async def connecting(url: str) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(url)
    await connection.start()
    yield connection
    await connection.close()


def tls_url(server: TlsRedisServer, *, host: str = "localhost", names_ca: bool = True) -> str:
    ca_file = f"?ca_file={server.folder / 'ca.pem'}" if names_ca else ""
    return f"rediss://:{server.password}@{host}:{server.port}/0{ca_file}"


async def test_a_certificate_of_an_authority_that_is_named_is_good(
    tls_server: TlsRedisServer,
) -> None:
    async with connecting(tls_url(tls_server)) as redis:
        await reached(redis)
        await redis.run(lambda client: client.set("a", "1"))
        assert await redis.run(lambda client: client.get("a")) == b"1"


async def test_the_systems_authorities_are_those_of_the_environment(
    tls_server: TlsRedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_server.folder / "ca.pem"))
    async with connecting(tls_url(tls_server, names_ca=False)) as redis:
        await reached(redis)


@pytest.mark.parametrize(("host", "names_ca"), [("localhost", False), ("127.0.0.1", True)])
async def test_whoever_cannot_prove_to_be_that_host_is_refused(
    tls_server: TlsRedisServer, host: str, *, names_ca: bool
) -> None:
    async with connecting(tls_url(tls_server, host=host, names_ca=names_ca)) as redis:
        await given_up(redis, "Redis' certificate cannot be verified")


async def test_a_redis_without_tls_is_told_from_one_that_is_away(redis_server: RedisServer) -> None:
    url = f"rediss://:{redis_server.password}@127.0.0.1:{redis_server.port}/0"
    async with connecting(url) as redis:
        await given_up(redis, "Redis")


async def test_a_database_has_a_number(redis_server: RedisServer) -> None:
    number = redis_server.new_database()
    async with make_client(redis_server.url(number), max_connections=1, deadline_s=1.0) as client:
        await client.set("where", "here")
    with redis_server.client(number) as again:
        assert again.get("where") == "here"


@pytest.mark.parametrize(
    "ending",
    [
        "/x",
        "/1/2",
        "/0?ssl_cert_reqs=none",
        "/0?ssl_check_hostname=false",
        "/0?socket_timeout=60",
        "/0?ca_file=none",
        "/0?ca_file=/dev/null",
    ],
)
def test_a_url_that_cannot_be_ends_the_start(ending: str) -> None:
    with pytest.raises(StartupError, match=r"^--redis-url: ") as refused:
        RedisConnection(f"rediss://:hunter2@localhost:6379{ending}")
    assert "hunter2" not in str(refused.value)


async def test_nothing_is_opened_before_something_is_asked() -> None:
    client = make_client("redis://localhost:1", max_connections=1, deadline_s=1.0)
    await asyncio.sleep(0)
    await client.aclose()
