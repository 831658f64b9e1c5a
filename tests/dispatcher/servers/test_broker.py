"""Connections to a real RabbitMQ: opened in the background, again and again, and never for long."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiormq.connection import TCPTransportFactory
from pamqp.common import FieldValue
from yarl import URL

from dispatcher.errors import StartupError
from dispatcher.servers.broker import (
    PUBLISH_WITHIN_S,
    Broker,
    MessageRefusedError,
    NoSuchQueueError,
)
from dispatcher.servers.broker_link import BrokerAwayError, _pause_s, telling_away
from tests.dispatcher.servers.connecting import given_up, reached
from tests.dispatcher.waiting import now_s, until
from tests.ports import free_port
from tests.servers.proxy import TcpProxy
from tests.servers.rabbitmq import RabbitmqServer

pytestmark = pytest.mark.timeout(60)


@asynccontextmanager
async def started(url: str) -> AsyncIterator[Broker]:
    broker = Broker(url)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.close()


@pytest.fixture
def proxy(rabbitmq: RabbitmqServer) -> Iterator[TcpProxy]:
    with TcpProxy(rabbitmq.port) as proxy:
        yield proxy


def moved(url: str, *, to: str) -> str:
    """That URL with other nodes."""
    before, at, rest = url.partition("@")
    return f"{before}{at}{to}/{rest.partition('/')[2]}"


async def declare(broker: Broker, name: str) -> None:
    channel = await broker.managing.open_channel()
    await channel.declare_queue(name, arguments={"x-queue-type": "quorum"}, durable=True)
    await channel.close()


# Publishing


async def test_a_message_is_in_the_queue_once_it_is_published(rabbitmq_url: str) -> None:
    async with started(rabbitmq_url) as broker:
        await reached(broker)
        await declare(broker, "q")
        for number in range(3):
            await broker.publish("q", b"%d" % number, message_id=str(number))
        channel = await broker.managing.open_channel()
        queue = await channel.get_queue("q", ensure=False)
        messages = [await queue.get() for _ in range(3)]
        assert [message.body for message in messages] == [b"0", b"1", b"2"]
        assert messages[0].message_id == "0"


async def test_a_message_for_no_queue_is_an_error_and_the_next_is_not(rabbitmq_url: str) -> None:
    async with started(rabbitmq_url) as broker:
        await reached(broker)
        with pytest.raises(NoSuchQueueError):
            await broker.publish("nowhere", b"", message_id="1")
        await declare(broker, "q")
        await broker.publish("q", b"", message_id="2")


async def test_a_full_queue_refuses(rabbitmq_url: str) -> None:
    async with started(rabbitmq_url) as broker:
        await reached(broker)
        channel = await broker.managing.open_channel()
        bound: dict[str, FieldValue] = {
            "x-queue-type": "quorum",
            "x-max-length": 1,
            "x-overflow": "reject-publish",
        }
        await channel.declare_queue("q", arguments=bound, durable=True)
        with pytest.raises(MessageRefusedError):
            for number in range(50):
                await broker.publish("q", b"", message_id=str(number))


def test_a_confirmation_that_ends_without_a_word_is_a_lost_connection() -> None:
    """aiormq sets a bare Exception when it closes a connection; others are mistakes of our own."""
    with pytest.raises(BrokerAwayError, match="was lost"), telling_away():
        raise Exception
    with pytest.raises(ValueError, match="a mistake"), telling_away():
        raise ValueError("a mistake")


async def test_who_publishes_while_nobody_is_there_is_told_in_time(rabbitmq_url: str) -> None:
    async with started(moved(rabbitmq_url, to=f"127.0.0.1:{free_port()}")) as broker:
        began = now_s()
        with pytest.raises(BrokerAwayError):
            await broker.publish("q", b"", message_id="1")
        assert now_s() - began < PUBLISH_WITHIN_S + 1


async def test_a_message_that_is_not_confirmed_is_given_up_in_time(
    rabbitmq_url: str, proxy: TcpProxy
) -> None:
    async with started(moved(rabbitmq_url, to=f"127.0.0.1:{proxy.port}")) as broker:
        await reached(broker)
        await declare(broker, "q")
        await broker.publish("q", b"", message_id="1")
        proxy.drop()
        began = now_s()
        with pytest.raises(BrokerAwayError):
            await broker.publish("q", b"", message_id="2")
        assert now_s() - began < PUBLISH_WITHIN_S + 1
        proxy.heal()
        await until(lambda: broker.unready() is None)
        await until_published(broker, "q")


async def until_published(broker: Broker, queue: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await broker.publish(queue, b"", message_id="again")
            except BrokerAwayError:
                continue
            return


# Connecting


async def test_another_node_is_tried_when_one_is_away(
    rabbitmq_url: str, rabbitmq: RabbitmqServer
) -> None:
    for nodes in range(3):
        hosts = [f"127.0.0.1:{free_port()}" for _ in range(nodes)]
        hosts.append(f"127.0.0.1:{rabbitmq.port}")
        async with started(moved(rabbitmq_url, to=",".join(hosts))) as broker:
            await reached(broker)


async def test_a_broker_that_hangs_up_while_it_is_greeted_is_tried_again(
    rabbitmq_url: str, rabbitmq: RabbitmqServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does that is just ending; a busy dispatcher learns of both at the same moment."""
    greeted = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal greeted
        greeted += 1
        writer.close()

    async def open_late(
        factory: TCPTransportFactory, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await create(factory, url, **kwargs)
        await until(lambda: url.port != port or reader.at_eof())
        return reader, writer

    create = TCPTransportFactory.create
    monkeypatch.setattr(TCPTransportFactory, "create", open_late)
    monkeypatch.setattr("dispatcher.servers.broker.random.shuffle", lambda _: None)
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        both = f"127.0.0.1:{port},127.0.0.1:{rabbitmq.port}"
        async with started(moved(rabbitmq_url, to=both)) as broker:
            await until(lambda: broker.unready() is None)
    assert greeted == 3, "each of its connections was tried there first"


async def test_wrong_credentials_are_named_and_not_quoted(rabbitmq_url: str) -> None:
    url = rabbitmq_url.replace("conveyor:", "conveyor:wrong-")
    async with started(url) as broker:
        await given_up(broker, "refuses the credentials")
        assert "wrong" not in (broker.unready() or "")
        assert broker.refuses()


async def test_a_virtual_host_that_is_not_there_is_no_hot_loop(
    rabbitmq_url: str, proxy: TcpProxy
) -> None:
    url = moved(rabbitmq_url, to=f"127.0.0.1:{proxy.port}").rpartition("/")[0] + "/none"
    async with started(url) as broker:
        await until(lambda: proxy.connections >= 4)
        assert broker.unready() is not None
    assert proxy.connections < 20


def test_pauses_between_tries_grow_and_differ() -> None:
    assert all(0 < _pause_s(failures) <= 3.0 for failures in range(100))
    assert min(_pause_s(20) for _ in range(100)) >= 1.5
    assert max(_pause_s(0) for _ in range(100)) <= 0.1
    assert len({_pause_s(20) for _ in range(10)}) > 1


async def test_a_broker_may_be_closed_at_any_moment_of_its_opening(rabbitmq_url: str) -> None:
    for pauses in range(0, 40, 4):
        async with started(rabbitmq_url):
            for _ in range(pauses):
                await asyncio.sleep(0.001)


# TLS


@pytest.fixture
async def tls_port(rabbitmq: RabbitmqServer, tmp_path: Path) -> AsyncIterator[int]:
    """The broker behind TLS, with the certificate of an authority that is in ``ca.pem``."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    pumps: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
        except OSError:
            pass
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_broker, to_broker = await asyncio.open_connection("127.0.0.1", rabbitmq.port)
        pumps.add(asyncio.create_task(pump(reader, to_broker)))
        pumps.add(asyncio.create_task(pump(from_broker, writer)))

    port = free_port()
    server = await asyncio.start_server(accept, "127.0.0.1", port, ssl=context)
    yield port
    server.close()
    await asyncio.gather(*pumps)


@pytest.mark.parametrize("parameter", ["cafile", "ca_file"])
async def test_a_certificate_of_a_known_authority_is_trusted(
    rabbitmq_url: str, tls_port: int, tmp_path: Path, parameter: str
) -> None:
    url = moved(rabbitmq_url, to=f"127.0.0.1:{tls_port}").replace("amqp:", "amqps:")
    async with started(f"{url}?{parameter}={tmp_path / 'ca.pem'}") as broker:
        await reached(broker)


async def test_an_authority_that_is_added_leaves_those_of_the_system(
    rabbitmq_url: str, tls_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    url = moved(rabbitmq_url, to=f"127.0.0.1:{tls_port}").replace("amqp:", "amqps:")
    async with started(f"{url}?ca_file={tmp_path / 'other.pem'}") as broker:
        await reached(broker)


async def test_a_certificate_of_an_unknown_authority_is_not(
    rabbitmq_url: str, tls_port: int
) -> None:
    url = moved(rabbitmq_url, to=f"127.0.0.1:{tls_port}").replace("amqp:", "amqps:")
    async with started(url) as broker:
        await given_up(broker, "cannot be trusted")


# Addresses


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://user:secret@host/", "must begin with amqp:// or amqps://"),
        ("amqp://user:secret@/", "no URL with a host"),
        ("amqp://user:secret@one:5672,two:port/", "no URL"),
        ("amqps://user:secret@host/?no_verify_ssl=1", "only these are known"),
        ("amqp://user:secret@host/?cafile=ca.pem", "belong to amqps://"),
        ("amqps://user:secret@host/?certfile=secret.pem", "go together"),
        ("amqps://user:secret@host/?cafile=secret.pem", "cannot be used"),
    ],
)
def test_an_address_that_cannot_be_is_refused_and_not_quoted(url: str, reason: str) -> None:
    with pytest.raises(StartupError) as refusal:
        Broker(url)
    assert reason in str(refusal.value)
    assert "secret" not in str(refusal.value)
