import asyncio
import statistics

from load_tester.pacing import now_s, sleep_until


async def test_a_moment_is_never_met_early_and_mostly_met_at_once() -> None:
    late_s = []
    for _ in range(50):
        moment_s = now_s() + 0.006
        await sleep_until(moment_s)
        late_s.append(now_s() - moment_s)
    assert min(late_s) >= 0
    assert statistics.median(late_s) < 0.02


async def test_a_moment_long_past_still_lets_others_run() -> None:
    others = asyncio.Event()
    task = asyncio.create_task(_set(others))
    await sleep_until(now_s() - 10)
    assert others.is_set()
    await task


async def _set(event: asyncio.Event) -> None:
    event.set()
