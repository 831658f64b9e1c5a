"""Outcomes on their way to whoever waits for them."""

from dispatcher.execution.sharing.awaited import AwaitedChunks
from tests.dispatcher.execution.sharing.sharers import made


async def test_the_first_outcome_counts() -> None:
    awaited = AwaitedChunks()
    outcomes = awaited.expect(["a", "b"])
    awaited.deliver("a", made(0))
    awaited.deliver("a", made(1))
    assert outcomes["a"].result() == made(0)
    assert not outcomes["b"].done()


async def test_everybody_who_waits_gets_it() -> None:
    awaited = AwaitedChunks()
    first, second = awaited.expect(["a"]), awaited.expect(["a"])
    awaited.deliver("a", made(0))
    assert first["a"].result() == second["a"].result() == made(0)


async def test_what_nobody_waits_for_is_passed_over() -> None:
    awaited = AwaitedChunks()
    awaited.deliver("a", made(0))
    first, second = awaited.expect(["a", "b"]), awaited.expect(["a"])
    awaited.forget(first)
    assert ("a" in awaited, "b" in awaited) == (True, False)
    awaited.forget(second)
    assert "a" not in awaited
    awaited.deliver("a", made(0))
    assert not first["a"].done()
