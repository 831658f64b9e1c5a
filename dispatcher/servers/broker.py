"""One dispatcher's connections to RabbitMQ: one publishes, one consumes, one manages queues.

The broker stops reading from those that publish when it is short of memory or disk; what is
acknowledged must get through all the same. It closes those that ask for a queue which it cannot
make; what was delivered must not be lost by that.
"""

import asyncio
import random
import re
import ssl
from typing import Final

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import DeliveryError, PublishError
from yarl import URL

from dispatcher.errors import StartupError
from dispatcher.servers.broker_link import BrokerAwayError, BrokerLink, telling_away
from dispatcher.servers.urls import ServerUrl, parse_server_url

PUBLISH_WITHIN_S: Final = 3.5
"""How long the broker may take to confirm a message: less than any client waits for its answer."""
_FLAG: Final = "--rabbitmq-url"
_PARAMETERS: Final = ("ca_file", "cafile", "certfile", "keyfile")
"""Of ``amqps://``: whom to trust, and who we are. That nobody is verified cannot be said. The
authorities in ``ca_file`` are added to the system's, as with all servers; ``cafile``, as RabbitMQ's
own URLs have it, is in their place."""


class NoSuchQueueError(Exception):
    """A message was returned: the queue that it was for does not exist."""


class MessageRefusedError(Exception):
    """The broker has refused a message: its queue is full."""


class Broker:
    """Keeps the connections open, opens them again, and publishes with confirms."""

    def __init__(self, url: str) -> None:
        """Prepare connections; nothing is opened.

        Args:
            url: ``amqp://`` or ``amqps://``, with its credentials and one node or several,
                ``host:port,host:port``; ``amqps://`` takes the parameters ``ca_file``,
                ``cafile``, ``certfile`` and ``keyfile``.

        Raises:
            StartupError: it is no such URL.
        """
        addresses = _nodes(url)
        parts = [
            parse_server_url(address, flag=_FLAG, schemes=("amqp", "amqps"), parameters=_PARAMETERS)
            for address in addresses
        ]
        if parts[0].scheme == "amqp" and parts[0].parameters:
            raise StartupError(f"{_FLAG}: certificates belong to amqps://")
        tls = _tls(parts[0]) if parts[0].scheme == "amqps" else None
        urls = [URL(address).with_query(None) for address in addresses]
        random.shuffle(urls)
        self._publishing = BrokerLink(urls, name="conveyor publishes", tls=tls)
        self.consuming = BrokerLink(urls, name="conveyor consumes", tls=tls)
        """What jobs are delivered and acknowledged on."""
        self.managing = BrokerLink(urls, name="conveyor manages", tls=tls)
        """What queues are made and looked at with."""
        self._links = (self._publishing, self.consuming, self.managing)
        self._channel: AbstractChannel | None = None
        self._opening = asyncio.Lock()

    def unready(self) -> str | None:
        """Say, for people, why nothing can be published now; None when it can."""
        return next((reason for link in self._links if (reason := link.unready())), None)

    def refuses(self) -> bool:
        """Say whether RabbitMQ does not take the credentials."""
        return any(link.refuses for link in self._links)

    async def start(self) -> None:
        """Open them in the background, and again whenever they are lost."""
        for link in self._links:
            link.start()

    async def close(self) -> None:
        """Close them."""
        await asyncio.gather(*(link.close() for link in self._links))

    async def publish(self, queue: str, body: bytes, *, message_id: str) -> None:
        """Return once the broker keeps a message as safely as the queue keeps anything.

        Raises:
            BrokerAwayError: it cannot be told whether it does; within 3.5 s.
            NoSuchQueueError: there is no such queue.
            MessageRefusedError: the queue is full.
        """
        if self._publishing.is_blocked:
            raise BrokerAwayError(self._publishing.unready())
        message = Message(
            body,
            content_type="application/json",
            delivery_mode=DeliveryMode.PERSISTENT,
            message_id=message_id,
        )
        try:
            with telling_away():
                async with asyncio.timeout(PUBLISH_WITHIN_S):
                    channel = await self._open_channel()
                    await channel.default_exchange.publish(message, queue, mandatory=True)
        except BrokerAwayError as exc:
            match exc.__cause__:
                case PublishError():
                    raise NoSuchQueueError from exc.__cause__
                case DeliveryError():
                    raise MessageRefusedError from exc.__cause__
            raise

    async def _open_channel(self) -> AbstractChannel:
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._publishing.open_channel(confirms=True)
            return self._channel


def _nodes(url: str) -> list[str]:
    """Return the URL of each node: they share everything but host and port."""
    found = re.fullmatch(r"([^:/]*://)([^/?#]*@)?([^/?#@]*)(.*)", url, re.DOTALL)
    if found is None:
        return [url]
    scheme, credentials, hosts, rest = found.groups(default="")
    return [f"{scheme}{credentials}{host}{rest}" for host in hosts.split(",")]


def _tls(url: ServerUrl) -> ssl.SSLContext:
    parameters = url.parameters
    if ("certfile" in parameters) != ("keyfile" in parameters):
        raise StartupError(f"{_FLAG}: certfile and keyfile go together")
    try:
        context = ssl.create_default_context(cafile=parameters.get("cafile"))
        if "ca_file" in parameters:
            context.load_verify_locations(parameters["ca_file"])
        if "certfile" in parameters:
            context.load_cert_chain(parameters["certfile"], parameters["keyfile"])
    except OSError as exc:  # ssl.SSLError is one
        raise StartupError(f"{_FLAG}: the certificates cannot be used: {exc.strerror}") from exc
    return context
