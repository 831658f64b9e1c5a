"""Boards of every backend, as two dispatchers see them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from dispatcher.chunks.base import ChunkBoard, Hearing
from dispatcher.chunks.memory import memory_board
from dispatcher.chunks.objects import ObjectChunkShelf
from dispatcher.chunks.rabbitmq import RabbitmqChunkOffers
from dispatcher.chunks.redis import RedisChunkNews
from dispatcher.servers.broker import Broker
from dispatcher.servers.objects import ObjectStore
from dispatcher.servers.redis_connection import RedisConnection
from tests.dispatcher.waiting import until


@dataclass(frozen=True)
class Urls:
    """Where the servers of a board are."""

    rabbitmq: str
    redis: str
    objects: str


@dataclass
class Heard:
    """What one dispatcher has heard."""

    wanted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)

    def hearing(self) -> Hearing:
        return Hearing(self.wanted.append, self.kept.append, self.unwanted.append)


@dataclass
class Seen:
    """One dispatcher's view of a board."""

    board: ChunkBoard
    heard: Heard
    broker: Broker | None = None


async def always() -> bool:
    return True


async def never() -> bool:
    return False


@asynccontextmanager
async def shared_board(urls: Urls) -> AsyncIterator[Seen]:
    """Open one dispatcher's view of a board on real servers; returns once it hears news."""
    broker, redis, objects = (
        Broker(urls.rabbitmq),
        RedisConnection(urls.redis),
        ObjectStore(urls.objects),
    )
    board = ChunkBoard(
        RabbitmqChunkOffers(broker),
        ObjectChunkShelf(objects, may_tidy=always),
        RedisChunkNews(redis),
    )
    heard = Heard()
    board.news.listen(heard.hearing())
    is_back: list[bool] = []
    redis.on_return(lambda: is_back.append(True))
    async with AsyncExitStack() as stack:
        for server in (broker, redis, objects):
            await server.start()
            stack.push_async_callback(server.close)
        await until(lambda: is_back and not broker.unready() and not objects.unready())
        yield Seen(board, heard, broker)


def seen_twice() -> tuple[Seen, Seen]:
    """A board in memory as two dispatchers see it."""
    board = memory_board()
    first, second = Heard(), Heard()
    board.news.listen(first.hearing())
    board.news.listen(second.hearing())
    return Seen(board, first), Seen(board, second)
