import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dispatcher.servers.breaker import BreakerPolicy
from dispatcher.servers.watch import AwayError, Watch
from tests.dispatcher.waiting import until

POLICY = BreakerPolicy(probe_interval_s=0.005, first_pause_s=0.005, max_pause_s=0.01, slow_s=0.1)


class Server:
    """One that does as it is told."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.answers_after_s = 0.0
        self.looks = 0
        self.freshened = 0
        self.returns = 0
        self.watch = Watch("Thing", look=self.look, freshen=self.freshen, policy=POLICY)
        self.watch.on_return(self.note_return)

    async def look(self) -> None:
        self.looks += 1
        await self.answer()

    async def freshen(self) -> None:
        self.freshened += 1

    async def answer(self) -> int:
        await asyncio.sleep(self.answers_after_s)
        if self.reason is not None:
            raise AwayError(self.reason)
        return 42

    def note_return(self) -> None:
        self.returns += 1

    async def fail_calls(self, count: int) -> None:
        self.reason = "Thing refuses the connection"
        for _ in range(count):
            with pytest.raises(AwayError):
                await self.watch.call(self.answer)


@pytest.fixture
def server() -> Server:
    return Server()


@asynccontextmanager
async def looked_after(server: Server) -> AsyncIterator[None]:
    loop = asyncio.create_task(server.watch.run())
    yield
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def test_an_answer_is_passed_on(server: Server) -> None:
    assert await server.watch.call(server.answer) == 42


async def test_a_server_that_was_not_reached_yet_is_asked_and_not_ready(server: Server) -> None:
    assert server.watch.unready() == "Thing has not been reached yet"
    await server.watch.call(server.answer)
    assert server.watch.unready() is None


async def test_one_that_fails_from_the_start_tells_why(server: Server) -> None:
    await server.fail_calls(1)
    assert server.watch.unready() == "Thing refuses the connection"


async def test_a_single_failure_makes_nothing_unready(server: Server) -> None:
    await server.watch.call(server.answer)
    await server.fail_calls(2)
    assert server.watch.unready() is None
    await server.fail_calls(1)
    assert server.watch.unready() == "Thing refuses the connection"


async def test_one_that_is_away_is_not_asked(server: Server) -> None:
    await server.fail_calls(3)
    server.reason = None
    with pytest.raises(AwayError, match="refuses"):
        await server.watch.call(server.answer)
    with pytest.raises(AwayError, match="refuses"):
        server.watch.require()


async def test_errors_of_other_kinds_say_nothing_about_the_server(server: Server) -> None:
    async def fail() -> None:
        raise KeyError("of the caller")

    for _ in range(5):
        with pytest.raises(KeyError):
            await server.watch.call(fail)
    server.watch.require()


async def test_it_comes_back_by_itself_and_says_so(server: Server) -> None:
    await server.fail_calls(3)
    async with looked_after(server):
        await until(lambda: server.looks > 3)
        assert (server.watch.unready(), server.returns) == ("Thing refuses the connection", 0)
        server.reason = None
        await until(lambda: server.watch.unready() is None)
        assert await server.watch.call(server.answer) == 42
        assert server.returns == 1
        assert server.freshened >= server.looks - 1, "connections that may be dead are left"


async def test_one_that_goes_away_while_nobody_asks_is_noticed(server: Server) -> None:
    async with looked_after(server):
        await until(lambda: server.watch.unready() is None)
        assert (server.returns, server.freshened) == (0, 0)
        server.reason = "Thing is gone"
        await until(lambda: server.watch.unready() == "Thing is gone")


async def test_one_that_answers_too_slowly_is_left_alone_until_it_is_fast(server: Server) -> None:
    server.answers_after_s = 0.2
    async with looked_after(server):
        await until(lambda: server.watch.unready() == "Thing answers too slowly")
        server.answers_after_s = 0.0
        await until(lambda: server.watch.unready() is None)


async def test_a_process_that_stands_still_blames_nobody(server: Server) -> None:
    async def stand_still() -> None:
        time.sleep(0.2)  # noqa: ASYNC251 - on purpose

    watch = Watch("Thing", look=stand_still, policy=POLICY)
    for _ in range(5):
        await watch.probe()
        assert watch.unready() is None


async def test_a_look_that_fails_in_an_unknown_way_ends_nothing(server: Server) -> None:
    async def fail() -> None:
        raise KeyError("a mistake")

    watch = Watch("Thing", look=fail, policy=POLICY)
    await watch.probe()
    assert watch.unready() == "Thing cannot be looked at"


async def test_all_are_told_of_a_return_though_one_of_them_fails(server: Server) -> None:
    def fail() -> None:
        raise KeyError("a mistake")

    told: list[int] = []
    watch = Watch("Thing", look=server.look, policy=POLICY)
    watch.on_return(fail)
    watch.on_return(lambda: told.append(1))
    watch.tell_of_return()
    assert told == [1]
