import asyncio
from collections.abc import Callable

import pytest

from dispatcher.execution.together import together
from tests.dispatcher.waiting import turns


async def after(count: int, value: int) -> int:
    await turns(count)
    return value


async def fail(error: BaseException, *, after_turns: int = 0) -> int:
    await turns(after_turns)
    raise error


async def test_results_come_in_the_order_of_the_parts() -> None:
    assert await together(after(5 - number, number) for number in range(5)) == [0, 1, 2, 3, 4]


async def test_no_parts_have_no_results() -> None:
    parts: list[Callable[[], int]] = []
    assert await together(after(0, part()) for part in parts) == []


async def test_parts_run_at_once() -> None:
    met = asyncio.Barrier(5)

    async def meet(number: int) -> int:
        await met.wait()
        return number

    async with asyncio.timeout(5):
        assert len(await together(meet(number) for number in range(5))) == 5


async def test_the_error_of_a_part_is_raised_as_it_is() -> None:
    error = ValueError("so it is")
    with pytest.raises(ValueError, match="so it is") as raised:
        await together([after(1, 1), fail(error), after(1, 2)])
    assert raised.value is error


async def test_of_several_errors_one_is_raised_as_it_is() -> None:
    with pytest.raises(KeyError):
        await together(fail(KeyError(number)) for number in range(3))


async def test_parts_within_parts_raise_their_error_as_it_is() -> None:
    with pytest.raises(KeyError):
        await together([together([fail(KeyError("inner"))]), after(1, 1)])


async def test_the_first_part_that_fails_ends_the_others() -> None:
    ended: list[int] = []

    async def wait(number: int) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)
        return number

    with pytest.raises(ValueError, match="no"):
        await together([wait(1), fail(ValueError("no"), after_turns=3), wait(2)])
    assert sorted(ended) == [1, 2]


async def test_whoever_stops_waiting_ends_all_parts() -> None:
    ended: list[int] = []

    async def wait(number: int) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)
        return number

    waiting = asyncio.create_task(together(wait(number) for number in range(3)))
    await turns(3)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert sorted(ended) == [0, 1, 2]
