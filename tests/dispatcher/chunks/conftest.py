from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.dispatcher.chunks.boards import Seen, Urls, seen_twice, shared_board


@pytest.fixture
def board_urls(rabbitmq_url: str, redis_url: str, tmp_path: Path) -> Urls:
    """Servers of this test's own."""
    return Urls(rabbitmq_url, redis_url, str(tmp_path / "objects"))


@pytest.fixture(params=["memory", "servers"])
async def dispatchers(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Seen, Seen]]:
    """A board as two dispatchers see it."""
    if request.param == "memory":
        yield seen_twice()
        return
    urls: Urls = request.getfixturevalue("board_urls")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(shared_board(urls))
        second = await stack.enter_async_context(shared_board(urls))
        yield first, second
